/** Server-sent events (WHATWG HTML, section 9.2). `EventSource` cannot send an API key. */

import { Unavailable } from "./errors.js";

/** Longest event, in characters. A line of a history has a few hundred. */
const MAX_EVENT = 64 * 1024;

/** Something happened to a job. */
export interface Event {
  /** Its number; a stream is taken up again after it. */
  readonly id: string | undefined;
  /** What happened, such as `job_accepted`. */
  readonly name: string;
  /** More about it, as JSON. */
  readonly data: string;
}

/** Text in, as it comes; events out. An event without data is none. */
export class EventReader {
  #rest = "";
  #name = "";
  #data: string[] = [];
  #size = 0;
  #lastId: string | undefined;

  push(text: string): Event[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    const events = lines.flatMap((line) => this.#line(line.replace(/\r$/, "")) ?? []);
    if (this.#rest.length + this.#size > MAX_EVENT) throw new Unavailable(`an event is longer than ${MAX_EVENT}`);
    return events;
  }

  #line(line: string): Event | undefined {
    if (line === "") return this.#end();
    this.#size += line.length;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#lastId = value;
    return undefined;
  }

  #end(): Event | undefined {
    const event = { id: this.#lastId, name: this.#name, data: this.#data.join("\n") };
    const isOne = this.#data.length > 0;
    this.#name = "";
    this.#data = [];
    this.#size = 0;
    return isOne ? event : undefined;
  }
}
