/** Signing in and out. The key is typed into a dialog, never into an address. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { signIn } from "../api.ts";
import { Trouble } from "../parts.tsx";
import { signOut, useIdentity, type Identity } from "../session.ts";

const SHOW = "pogw-sign-in";

export function askToSignIn(): void {
  dispatchEvent(new Event(SHOW));
}

export function Account() {
  const identity = useIdentity();
  if (identity === undefined) return <button type="button" onClick={askToSignIn}>Sign in</button>;
  return (
    <div class="account">
      <span class="who">{identity.kind !== "operator" && <span class="muted">{identity.kind} </span>}{identity.name}</span>
      <button type="button" onClick={signOut}>Sign out</button>
    </div>
  );
}

export function SignInDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [title, field, hint] = [useId(), useId(), useId()];
  const [secret, setSecret] = useState("");
  const [trouble, setTrouble] = useState<unknown>();
  useEffect(() => {
    const show = () => dialog.current?.showModal();
    addEventListener(SHOW, show);
    return () => removeEventListener(SHOW, show);
  }, []);
  const close = () => {
    setSecret("");
    setTrouble(undefined);
    dialog.current?.close();
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    setTrouble(undefined);
    await signIn(secret.trim()).then(close, setTrouble);
  };
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={() => { setSecret(""); setTrouble(undefined); }}>
      <form onSubmit={submit}>
        <h2 id={title}>Sign in</h2>
        <p id={hint} class="note">With an API key of a tenant, a provider or a marketplace, or with the operator token. It stays in this tab, is sent
          to this verifier alone, and is forgotten when you sign out or close the tab.</p>
        <label for={field}>API key</label>
        <input id={field} type="password" autocomplete="off" aria-describedby={hint} value={secret} required
          onInput={(event) => setSecret(event.currentTarget.value)} />
        {trouble !== undefined && <Trouble error={trouble} />}
        <div class="actions">
          <button type="submit" class="primary" disabled={secret.trim() === ""}>Sign in</button>
          <button type="button" onClick={close}>Cancel</button>
        </div>
      </form>
    </dialog>
  );
}

/** Shows a page to whom it is for, and says to others what it takes. */
export function Only(props: { kinds: Identity["kind"][]; what: string; children: (identity: Identity) => ComponentChildren }) {
  const identity = useIdentity();
  if (identity !== undefined && props.kinds.includes(identity.kind)) return <>{props.children(identity)}</>;
  const wanted = props.kinds.join(" or ");
  return (
    <div class="notice">
      <p>{props.what} <strong>{identity === undefined ? `Sign in as ${wanted}.` : `You are signed in as ${identity.kind}; this is for ${wanted}.`}</strong></p>
      {identity === undefined && <button type="button" class="primary" onClick={askToSignIn}>Sign in</button>}
    </div>
  );
}
