/** Plain words for what is written in codes and numbers. Times are shown in UTC, so that two people read the same. */
import { problems, reasons } from "virtual:reasons";

/** What a code means, as the documents have it; an answer of the service, where a word is both. */
export function meaning(code: string, ofService = false): string | undefined {
  return ofService ? problems[code] ?? reasons[code] : reasons[code] ?? problems[code];
}

const SCALES = ["", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion"];

/** A probability of 2^log2 in words: `one in a trillion` for -40. Rounded down, so that the bound holds. */
export function chance(log2: number): string {
  if (log2 >= 0) return "any probability at all";
  const digits = -log2 * Math.log10(2);
  const scale = Math.floor(digits / 3);
  const name = SCALES[scale];
  if (name === undefined) return `one in 10^${Math.floor(digits)}`;
  const lead = Math.floor(10 ** (digits - 3 * scale));
  if (scale === 0) return `one in ${lead}`;
  return `one in ${lead === 1 ? "a" : lead} ${name}`;
}

/** A share in parts per million as a percentage. */
export function share(ppm: number): string {
  return `${trimmed(ppm / 10_000)} %`;
}

export function bytes(length: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const step = length < 1 ? 0 : Math.min(Math.floor(Math.log2(length) / 10), units.length - 1);
  if (step === 0) return length === 1 ? "1 byte" : `${length} bytes`;
  return `${trimmed(length / 1024 ** step)} ${units[step]}`;
}

/** Microseconds in the unit a person would take. */
export function duration(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${trimmed(us / 1000)} ms`;
  if (us < 120e6) return `${trimmed(us / 1e6)} s`;
  return us < 7200e6 ? `${trimmed(us / 60e6)} minutes` : `${trimmed(us / 3600e6)} hours`;
}

/** An amount of minor units, in the usual writing of its currency. */
export function money(amount: number, currency: string): string {
  const format = new Intl.NumberFormat("en-GB", { style: "currency", currency, currencyDisplay: "code" });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(amount / 10 ** digits).replace(/\u00a0/g, " ");
}

/** A time as the interface writes it, in milliseconds: seconds since 1970, or text of RFC 3339. */
export function millis(time: string | number): number {
  return typeof time === "number" ? time * 1000 : Date.parse(time);
}

export function moment(time: string | number): string {
  const at = new Date(millis(time));
  const day = at.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  return `${day}, ${clock(time)} UTC`;
}

/** The same in as few letters as a table has room for. */
export function short(time: string | number): string {
  const day = new Date(millis(time)).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  return `${day}, ${clock(time)}`;
}

/** Whether a time is the one that certificates state which have no end (RFC 5280 section 4.1.2.5). */
export function isNever(time: string | number): boolean {
  return new Date(millis(time)).getUTCFullYear() === 9999;
}

export function clock(time: string | number): string {
  return new Date(millis(time)).toLocaleTimeString("en-GB", { timeZone: "UTC" });
}

/** How far a time is from now: `in 3 days`, `2 minutes ago`. */
export function distance(time: string | number, now = Date.now()): string {
  const seconds = Math.round((millis(time) - now) / 1000);
  const units: [Intl.RelativeTimeFormatUnit, number][] = [["year", 31_536_000], ["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second" as const, 1];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / length), unit);
}

/** A word of a code as people write it: `not_requested` as `not requested`. */
export function spaced(code: string): string {
  return code.replaceAll("_", " ");
}

/** With a capital, to begin a label with. */
export function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function trimmed(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en-GB");
}
