/**
 * Who is signed in. The credential is an API key, or the operator token; it is kept for this tab alone (sessionStorage), goes
 * into the `Authorization` header and nowhere else, and is gone when one signs out or closes the tab.
 */
import { useSyncExternalStore } from "preact/compat";

const NAME = "pogw-credential";

/** Whose credential it is. */
export interface Identity {
  kind: "tenant" | "provider" | "marketplace" | "operator";
  name: string;
  id: string | undefined;
  scopes: string[];
}

let identity: Identity | undefined;
const listeners = new Set<() => void>();

export function credential(): string | undefined {
  return sessionStorage.getItem(NAME) ?? undefined;
}

export function signedIn(as: Identity, secret: string): void {
  sessionStorage.setItem(NAME, secret);
  change(as);
}

export function signOut(): void {
  sessionStorage.removeItem(NAME);
  change(undefined);
}

export function useIdentity(): Identity | undefined {
  return useSyncExternalStore(subscribe, () => identity);
}

function change(to: Identity | undefined): void {
  identity = to;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
