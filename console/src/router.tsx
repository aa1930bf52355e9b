/** Which page: the path below `/console/`. Links inside are followed without loading anything anew. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useSyncExternalStore } from "preact/compat";

const BASE = "/console/";
const listeners = new Set<() => void>();

export interface Place { page: string; item: string | undefined }

export function href(page: string, item?: string): string {
  const path = page === "" ? BASE : `${BASE}${page}`;
  return item === undefined ? path : `${path}/${encodeURIComponent(item)}`;
}

export function go(to: string): void {
  history.pushState(null, "", to);
  for (const listener of listeners) listener();
  scrollTo(0, 0);
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

export function placeOf(path: string): Place {
  const [page = "", item] = path.slice(BASE.length).split("/");
  return { page, item: item === undefined || item === "" ? undefined : decodeURIComponent(item) };
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    removeEventListener("popstate", listener);
  };
}

/** A click that means this tab: nothing held, the main button. */
function isPlain(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

export function Link(props: { to: string; class?: string; current?: boolean; children: ComponentChildren }) {
  const follow = (event: MouseEvent) => {
    if (!isPlain(event)) return;
    event.preventDefault();
    go(props.to);
  };
  return (
    <a href={props.to} class={props.class} aria-current={props.current ? "page" : undefined} onClick={follow}>
      {props.children}
    </a>
  );
}

/** The heading of a page. It names the tab, and takes the focus when one comes from another page. */
export function Title(props: { children: string; kicker?: ComponentChildren; lead?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.children} · PoGW`;
    if (document.body.dataset["moved"] === "yes") heading.current?.focus();
    document.body.dataset["moved"] = "yes";
  }, [props.children]);
  return (
    <header class="title">
      {props.kicker !== undefined && <p class="kicker">{props.kicker}</p>}
      <h1 ref={heading} tabIndex={-1}>{props.children}</h1>
      {props.lead !== undefined && props.lead !== false && <p class="lead">{props.lead}</p>}
    </header>
  );
}
