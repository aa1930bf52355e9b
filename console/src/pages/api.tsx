/** The interface for programs, read from the document that the verifier serves: each operation, and what it answers. */
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { openapi } from "../api.ts";
import { bodyText, bounds, byTag, codes, curl, nameOf, plain, words, type Answer, type Content, type Document, type Endpoint, type Parameter, type Schema } from "../document.ts";
import { Await, Code, Section, Table, useLoaded } from "../parts.tsx";
import { href, Title } from "../router.tsx";
import { spaced } from "../words.ts";

export function ApiPage({ id }: { id: string | undefined }) {
  const loaded = useLoaded(async () => plain(await openapi()), []);
  return (
    <>
      <Title lead="Every operation, with what it takes, what it answers and every error. It is drawn from /openapi.json, which programs read.">
        Interface</Title>
      <Await loaded={loaded}>{(document) => <Operations document={document} id={id} />}</Await>
    </>
  );
}

function Operations({ document, id }: { document: Document; id: string | undefined }) {
  const field = useId();
  const [wanted, setWanted] = useState("");
  const tags = useMemo(() => byTag(document), [document]);
  const [about, ...common] = document.info.description.split("\n\n");
  const isWanted = ({ method, path, operation }: Endpoint) =>
    `${method} ${path} ${operation.operationId} ${operation.summary}`.toLowerCase().includes(wanted.trim().toLowerCase());
  useEffect(() => {
    if (id !== undefined) globalThis.document.getElementById(id)?.scrollIntoView();
  }, [id]);
  const left = tags.map(([name, text, endpoints]) => [name, text, endpoints.filter(isWanted)] as const).filter(([, , endpoints]) => endpoints.length > 0);
  return (
    <>
      <p class="about">{about}</p>
      <p class="about">{document.info.title} {document.info.version}. <a href="/openapi.json" download="openapi.json">The document (OpenAPI 3.1)</a></p>
      <details class="about">
        <summary>What holds for every operation</summary>
        {common.map((text) => <p key={text}>{text}</p>)}
      </details>
      <div class="fields"><div><label for={field}>Find</label>
        <input id={field} type="search" placeholder="receipts" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} /></div></div>
      <p role="status" class="muted">{left.length === 0 ? "Nothing is called that." : ""}</p>
      {left.map(([name, text, endpoints]) => (
        <Section key={name} title={name} id={`tag-${name}`} note={text}>
          {endpoints.map((endpoint) => <OneOperation key={endpoint.operation.operationId} document={document} endpoint={endpoint} isOpen={endpoint.operation.operationId === id} />)}
        </Section>
      ))}
      <Schemas schemas={document.components.schemas} />
    </>
  );
}

function OneOperation({ document, endpoint, isOpen }: { document: Document; endpoint: Endpoint; isOpen: boolean }) {
  const { method, path, operation } = endpoint;
  const [opened, setOpened] = useState(isOpen);
  return (
    <details class="operation" id={operation.operationId} open={isOpen} onToggle={(event) => setOpened(event.currentTarget.open)}>
      <summary><code class="method">{method.toUpperCase()}</code> <code>{path}</code> <span class="muted">{operation.summary}</span></summary>
      {opened && (
        <div class="inside">
          <p>{operation.description}</p>
          <p><a href={href("api", operation.operationId)}>{operation.operationId}</a>. {access(endpoint)}</p>
          <Parameters of={operation.parameters ?? []} />
          {operation.requestBody !== undefined && <><h3>Takes</h3><p class="note">{operation.requestBody.description}</p><Contents of={operation.requestBody.content} /></>}
          <h3>Answers</h3>
          <Answers of={operation.responses} />
          <h3>Errors</h3>
          <Errors document={document} of={operation.responses} />
          <h3>With curl</h3>
          <div class="curl"><Code>{curl(location.origin, endpoint)}</Code></div>
        </div>
      )}
    </details>
  );
}

const WHO: Record<string, string> = {
  operatorToken: "the operator", apiKey: "a party with an API key", oidcToken: "a party with a token of the OpenID issuer", agentSignature: "an agent, by its signature",
};

function access({ operation: { security } }: Endpoint): string {
  if (security.length === 0) return "Anybody may ask.";
  const scopes = [...new Set(security.flatMap(Object.values).flat())];
  const who = security.flatMap(Object.keys).map((scheme) => WHO[scheme] ?? scheme).join(", or ");
  return `Asked by ${who}${scopes.length === 0 ? "" : `, with the scope ${scopes.join(" ")}`}.`;
}

function Parameters({ of }: { of: Parameter[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3>Parameters</h3>
      <Table label="Parameters" empty="None." columns={[["Name", "left"], ["In", "left"], ["Value", "left"], ["Meaning", "left"]]}
        rows={of.map(({ name, in: place, required, schema, description }) => [
          <code>{name}{required ? "" : "?"}</code>, <span class="nowrap">{place}</span>, <Value of={schema} />, description ?? "",
        ])} />
    </>
  );
}

function Contents({ of }: { of: Record<string, Content> }) {
  return (
    <>
      {Object.entries(of).map(([mediaType, { schema, example }]) => (
        <div key={mediaType}>
          <p><code>{mediaType}</code>: <Value of={schema} /></p>
          {example !== undefined && <pre tabIndex={0} aria-label={`Example of ${mediaType}`}>{bodyText(example)}</pre>}
        </div>
      ))}
    </>
  );
}

const isProblem = ({ content }: Answer) => content?.["application/problem+json"] !== undefined;

function Answers({ of }: { of: Record<string, Answer> }) {
  const good = Object.entries(of).filter(([, answer]) => !isProblem(answer));
  return (
    <Table label="Answers" empty="None." columns={[["Status", "left"], ["Meaning", "left"], ["Body", "left"], ["Headers", "left"]]}
      rows={good.map(([status, { description, content, headers }]) => [
        <code>{status}</code>, description,
        <>{Object.entries(content ?? {}).map(([mediaType, { schema }]) => <div key={mediaType}><code>{mediaType}</code> <Value of={schema} /></div>)}</>,
        Object.keys(headers ?? {}).join(", "),
      ])} />
  );
}

function Errors({ document, of }: { document: Document; of: Record<string, Answer> }) {
  const meanings = useMemo(() => meaningsOf(document), [document]);
  const rows = Object.entries(of).filter(([, answer]) => isProblem(answer))
    .flatMap(([status, answer]) => codes(answer).map((code) => [<code>{status}</code>, <code>{code}</code>, meanings.get(code) ?? spaced(code)]));
  const isAny = JSON.stringify(of["422"] ?? {}).includes("schemas/EvidenceCode");
  return (
    <>
      <Table label="Errors" empty="None." columns={[["Status", "left"], ["Code", "left"], ["Meaning", "left"]]} rows={rows} />
      {isAny && <p class="note">And 422 with any <a href="#schema-EvidenceCode">EvidenceCode</a>.</p>}
    </>
  );
}

function meaningsOf({ components: { schemas } }: Document): Map<string, string> {
  const named = ["ProblemCode", "EvidenceCode"].flatMap((name) => schemas[name]?.oneOf ?? []);
  return new Map(named.map(({ const: code, description }) => [String(code), description ?? ""]));
}

/** What a value may be; a name leads to what it stands for. */
function Value({ of: schema }: { of: Schema }) {
  const name = nameOf(schema);
  const bound = bounds(schema);
  if (name !== undefined) return <a href={`#schema-${name}`}>{name}</a>;
  return <>{words(schema)}{bound !== "" && <span class="muted"> {bound}</span>}</>;
}

function Schemas({ schemas }: { schemas: Record<string, Schema> }) {
  return (
    <Section title="Schemas" id="schemas" note="What the names stand for. A member with a question mark may be absent.">
      {Object.entries(schemas).map(([name, schema]) => <OneSchema key={name} name={name} schema={schema} />)}
    </Section>
  );
}

function OneSchema({ name, schema }: { name: string; schema: Schema }) {
  const choices = schema.oneOf ?? schema.anyOf;
  return (
    <details id={`schema-${name}`} class="operation">
      <summary><code>{name}</code> <span class="muted">{schema.description}</span></summary>
      <div class="inside">
        {schema.properties !== undefined && <Members of={schema} />}
        {schema.properties === undefined && choices === undefined && <p><Value of={schema} /></p>}
        {schema.properties === undefined && choices?.map((choice, at) => (
          <div key={at}>{choice.properties === undefined ? <p><Value of={choice} /> <span class="muted">{choice.description}</span></p> : <Members of={choice} />}</div>
        ))}
      </div>
    </details>
  );
}

function Members({ of: { properties = {}, required = [] } }: { of: Schema }) {
  return (
    <Table label="Members" empty="Nothing." columns={[["Member", "left"], ["Value", "left"], ["Meaning", "left"]]}
      rows={Object.entries(properties).map(([name, schema]) => [
        <code>{name}{required.includes(name) ? "" : "?"}</code>,
        schema.properties === undefined ? <Value of={schema} /> : <Members of={schema} />,
        schema.description ?? "",
      ])} />
  );
}
