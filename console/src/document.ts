/** The OpenAPI document of the verifier (`/openapi.json`), as far as the page about it reads it. */

export interface Schema {
  $ref?: string; type?: string | string[]; description?: string; title?: string; enum?: unknown[]; const?: unknown; pattern?: string; format?: string;
  minimum?: number; maximum?: number; multipleOf?: number; minLength?: number; maxLength?: number; minItems?: number; maxItems?: number;
  properties?: Record<string, Schema>; required?: string[]; items?: Schema | false; prefixItems?: Schema[];
  additionalProperties?: boolean | Schema; oneOf?: Schema[]; anyOf?: Schema[]; default?: unknown;
}
export interface Content { schema: Schema; example?: unknown }
export interface Parameter { name: string; in: string; required: boolean; description?: string; schema: Schema; example?: unknown }
export interface Answer { description: string; content?: Record<string, Content>; headers?: Record<string, unknown> }
export interface Operation {
  operationId: string; tags: string[]; summary: string; description: string; security: Record<string, string[]>[];
  parameters?: Parameter[]; requestBody?: { description: string; content: Record<string, Content> }; responses: Record<string, Answer>;
}
export interface Document {
  info: { title: string; version: string; summary: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, { description: string }> };
}
export interface Endpoint { method: string; path: string; operation: Operation }

/** The document without the marks of Markdown in its texts: they are shown as they are. */
export function plain(document: Document): Document {
  const isText = (name: string, value: unknown) => ["description", "summary"].includes(name) && typeof value === "string";
  return JSON.parse(JSON.stringify(document), (name, value) => isText(name, value) ? value.replaceAll(/\*\*|`/g, "") : value);
}

/** Every operation, those of a tag together, tags in the order of the document. */
export function byTag(document: Document): [string, string, Endpoint[]][] {
  const all = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method, path, operation })));
  return document.tags.map(({ name, description }) => [name, description, all.filter(({ operation }) => operation.tags.includes(name))]);
}

/** The name of the schema that is referred to. */
export function nameOf(schema: Schema): string | undefined {
  return schema.$ref?.split("/").at(-1);
}

/** What a value may be, in a few words. */
export function words(schema: Schema): string {
  const name = nameOf(schema);
  if (name !== undefined) return name;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined && schema.properties === undefined) return choices.map(words).join(" | ");
  if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(words).join(", ")}]`;
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type ?? "anything";
  if (type === "array") return `array of ${schema.items === undefined || schema.items === false ? "anything" : words(schema.items)}`;
  const values = schema.additionalProperties;
  if (type === "object" && schema.properties === undefined && typeof values === "object") return `object of ${words(values)} by name`;
  return type;
}

/** What bounds a value. */
export function bounds(schema: Schema): string {
  const range = (least: number | undefined, most: number | undefined, unit: string) =>
    least === undefined && most === undefined ? [] : [`${least ?? ""} to ${most ?? "any number"}${unit}`];
  return [
    ...range(schema.minimum, schema.maximum, ""),
    ...(schema.multipleOf === undefined ? [] : [`a multiple of ${schema.multipleOf}`]),
    ...range(schema.minLength, schema.maxLength, " characters"),
    ...range(schema.minItems, schema.maxItems, " items"),
    ...(schema.format === undefined ? [] : [schema.format]),
    ...(schema.pattern === undefined ? [] : [schema.pattern]),
    ...(schema.default === undefined ? [] : [`without it ${JSON.stringify(schema.default)}`]),
  ].join("; ");
}

/** The words that an answer may have as its code. */
export function codes(answer: Answer): string[] {
  const schema = answer.content?.["application/problem+json"]?.schema;
  const code = schema?.properties?.["code"] ?? schema?.properties?.["type"];
  const listed = code?.enum ?? code?.anyOf?.[0]?.enum ?? [];
  return listed.map((word) => String(word).replace("urn:pogw:problem:", ""));
}

/** A command that sends the request: what is asked for where a name stands, and a credential, are for the reader to fill in. */
export function curl(origin: string, { method, path, operation }: Endpoint): string {
  const parameters = operation.parameters ?? [];
  const query = parameters.filter((parameter) => parameter.in === "query" && parameter.example !== undefined)
    .map(({ name, example }) => `${name}=${encodeURIComponent(String(example))}`).join("&");
  const place = `${origin}${path.replace(/\{([a-z_0-9]+)\}/g, (_, name: string) => `$${name.toUpperCase()}`)}${query === "" ? "" : `?${query}`}`;
  const lines = [`curl --fail-with-body${method === "get" ? "" : ` -X ${method.toUpperCase()}`} "${place}"`];
  const schemes = operation.security.flatMap(Object.keys);
  if (schemes.includes("apiKey")) lines.push('-H "authorization: Bearer $POGW_API_KEY"');
  else if (schemes.includes("operatorToken")) lines.push('-H "authorization: Bearer $OPERATOR_TOKEN"');
  else if (schemes.includes("agentSignature")) lines.push('-H "content-digest: $DIGEST" -H "signature-input: $INPUT" -H "signature: $SIGNATURE"');
  const [mediaType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (mediaType !== undefined) lines.push(`-H "content-type: ${mediaType}"`);
  if (mediaType !== undefined) lines.push(content?.example === undefined ? "--data-binary @body" : `--data-binary '${bodyText(content.example).replaceAll("'", "'\\''")}'`);
  return lines.join(" \\\n  ");
}

export function bodyText(example: unknown): string {
  return typeof example === "string" ? example : JSON.stringify(example, null, 2);
}
