import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Where all pages of the console are. */
const ROOT = "/console";

/** The page's address: the decoded segments below the root, and the query. */
export type Route = { segments: readonly string[]; query: URLSearchParams };

const listeners = new Set<() => void>();

function readRoute(): Route {
  const segments = location.pathname
    .slice(ROOT.length)
    .split("/")
    .filter((segment) => segment !== "")
    .map(decode);
  return { segments, query: new URLSearchParams(location.search) };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // No address of ours: it is shown as it came, and found nowhere.
    return segment;
  }
}

/** The address of a page. Each segment is encoded, so a name cannot leave the console. */
export function addressOf(segments: readonly string[], query: Record<string, string> = {}): string {
  const path = `${ROOT}/${segments.map(encodeURIComponent).join("/")}`;
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  return search.size === 0 ? path : `${path}?${search.toString()}`;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const update = () => setRoute(readRoute());
    listeners.add(update);
    window.addEventListener("popstate", update);
    return () => {
      listeners.delete(update);
      window.removeEventListener("popstate", update);
    };
  }, []);
  return route;
}

export function go(address: string): void {
  history.pushState(null, "", address);
  scrollTo(0, 0);
  for (const listener of listeners) listener();
}

/** Changes the query of the page that is shown, without a step in the history. */
export function setQuery(segments: readonly string[], query: Record<string, string>): void {
  history.replaceState(null, "", addressOf(segments, query));
  for (const listener of listeners) listener();
}

/** A link to another page of the console. */
export function Link(props: {
  to: readonly string[];
  query?: Record<string, string>;
  class?: string;
  isCurrent?: boolean;
  children: ComponentChildren;
}) {
  const address = addressOf(props.to, props.query);
  return (
    <a
      href={address}
      class={props.class}
      aria-current={props.isCurrent === true ? "page" : undefined}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(address);
      }}
    >
      {props.children}
    </a>
  );
}

/** True for an address that a link may have: another site over TLS, or mail. */
export function isSafeAddress(text: string): boolean {
  try {
    return ["https:", "mailto:"].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}
