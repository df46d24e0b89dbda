import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";

/** One place in the tree of commands: what may be typed there. */
type Place = { path: string; words: { word: string; about: string }[] };

const SHELLS = new Map([
  ["bash", writeBash],
  ["zsh", writeZsh],
  ["fish", writeFish],
]);

/** `sonde completion SHELL`: what a shell evaluates to complete the commands of this program. */
export function addCompletionCommand(program: Command): void {
  program
    .command("completion <shell>")
    .description(
      "print what completes commands in bash, zsh or fish, for example in ~/.bashrc: source <(sonde completion bash)",
    )
    .action((shell: string) => {
      const write = SHELLS.get(shell);
      if (write === undefined) {
        const known = [...SHELLS.keys()].join(", ");
        throw new SondeError("BAD_REQUEST", `expected a shell (${known}), got ${quote(shell)}`);
      }
      process.stdout.write(write(program.name(), listPlaces(program)));
    });
}

/** Every command with its subcommands and options, from the table by which commands are parsed. */
function listPlaces(command: Command, path = ""): Place[] {
  const help = command.createHelp();
  const subcommands = help.visibleCommands(command).filter((one) => one.name() !== "help");
  const words = [
    ...subcommands.map((one) => ({ word: one.name(), about: one.description() })),
    ...help
      .visibleOptions(command)
      .map((option) => ({ word: option.long ?? option.short ?? "", about: option.description })),
  ];
  return [
    { path, words },
    ...subcommands.flatMap((one) => listPlaces(one, `${path} ${one.name()}`.trim())),
  ];
}

/** A command's place is its words without options, as far as they are commands. */
function writeBash(name: string, places: readonly Place[]): string {
  const cases = places.map(
    ({ path, words }) =>
      `    ${quote(path)}) words=${quote(words.map(({ word }) => word).join(" "))} ;;`,
  );
  return `_${name}() {
  local path="" words="" word next
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
${knownPaths(places)}
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${name} ${name}
`;
}

function writeZsh(name: string, places: readonly Place[]): string {
  const cases = places.map(
    ({ path, words }) =>
      `    ${quote(path)}) given=(${words.map(({ word, about }) => quote(`${word}:${oneLine(about)}`)).join(" ")}) ;;`,
  );
  return `#compdef ${name}
_${name}() {
  local place="" word next
  local -a given
  for word in "\${words[@]:1:$((CURRENT - 2))}"; do
    next="\${place:+$place }$word"
    case "$next" in
${knownPaths(places).replaceAll("path=", "place=")}
    esac
  done
  case "$place" in
${cases.join("\n")}
  esac
  _describe command given || _files
}
compdef _${name} ${name}
`;
}

function writeFish(name: string, places: readonly Place[]): string {
  const cases = places
    .filter(({ path }) => path !== "")
    .map(({ path }) => `            case ${quoteFish(path)}\n                set place $next`);
  const lines = places.flatMap(({ path, words }) =>
    words.map(
      ({ word, about }) =>
        `complete -c ${name} -f -n ${quoteFish(`__${name}_at ${quoteFish(path)}`)} -a ${quoteFish(word)} -d ${quoteFish(oneLine(about))}`,
    ),
  );
  return `function __${name}_at
    set -l place ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim "$place $word")
        switch $next
${cases.join("\n")}
        end
    end
    test "$place" = "$argv[1]"
end
${lines.join("\n")}
`;
}

function knownPaths(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => quote(path));
  return `      ${known.join("|")}) path="$next" ;;`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(":", "");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function quoteFish(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
