/**
 * Two plots: counts as stacked bars, values as lines. They are SVG, so that styles and screen readers reach them; the same
 * numbers stand in a table beside each plot.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { clock } from "./words.ts";

export interface Series { name: string; style: string; values: (number | undefined)[] }
export interface Plot { label: string; times: number[]; series: Series[]; unit: (value: number) => string; logarithmic?: boolean }

// The scale stands on the right, beside what happened last, and is seen there on a narrow screen too.
const [WIDTH, HEIGHT, RIGHT, BOTTOM, TOP] = [720, 220, 62, 24, 10];
const INNER = HEIGHT - BOTTOM - TOP;
const HOUR = 3600;

/** Bars for each time, one series upon the other. */
export function Bars({ plot }: { plot: Plot }) {
  const sums = plot.times.map((_, at) => plot.series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0));
  const scale = linear(Math.max(...sums, 1));
  const wide = (WIDTH - RIGHT) / plot.times.length;
  return (
    <Frame plot={plot} ticks={scale.ticks} y={scale.y}>
      {plot.times.map((time, at) => {
        let below = 0;
        return plot.series.map(({ name, style, values }) => {
          const value = values[at] ?? 0;
          if (value === 0) return null;
          const top = scale.y(below + value);
          const height = scale.y(below) - top;
          below += value;
          return <rect key={`${time}${name}`} class={style} x={at * wide + 0.5} y={top} width={Math.max(wide - 1, 1)} height={Math.max(height, 1)} />;
        });
      })}
    </Frame>
  );
}

/** A line for each series, broken where there is no value; a dot where a value stands alone. */
export function Lines({ plot }: { plot: Plot }) {
  const values = plot.series.flatMap((series) => series.values).filter((value) => value !== undefined);
  const scale = logarithmic(Math.min(...values), Math.max(...values));
  const wide = (WIDTH - RIGHT) / plot.times.length;
  const place = (value: number, at: number) => [(at + 0.5) * wide, scale.y(value)] as const;
  return (
    <Frame plot={plot} ticks={scale.ticks} y={scale.y}>
      {plot.series.map(({ name, style, values }) => (
        <g key={name} class={`line ${style}`}>
          <path d={path(values, place)} />
          {values.map((value, at) => {
            const isAlone = values[at - 1] === undefined && values[at + 1] === undefined;
            if (value === undefined || !isAlone) return null;
            const [x, y] = place(value, at);
            return <circle key={at} cx={x} cy={y} r="3" />;
          })}
        </g>
      ))}
    </Frame>
  );
}

function Frame(props: { plot: Plot; ticks: number[]; y: (value: number) => number; children: ComponentChildren }) {
  const { plot, ticks, y } = props;
  const wide = (WIDTH - RIGHT) / plot.times.length;
  const step = (plot.times[1] ?? 0) - (plot.times[0] ?? 0);
  const slide = useRef<HTMLDivElement>(null);
  // What happened last is what one looks for first.
  useEffect(() => slide.current?.scrollTo({ left: WIDTH }), []);
  const hours = plot.times.map((time, at) => ({ time, at }))
    .filter(({ time, at }) => time % (4 * HOUR) < step && at * wide < WIDTH - RIGHT - 36);
  return (
    <figure class="plot">
      <figcaption>
        <span>{plot.label}</span>
        <span class="legend">{plot.series.map(({ name, style }) => <span key={name}><i class={style} aria-hidden="true" />{name}</span>)}</span>
      </figcaption>
      <div ref={slide} class="slide" role="group" aria-label={plot.label} tabIndex={0}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${plot.label}; the table below has the numbers`}>
        {ticks.map((tick) => (
          <g key={tick} class="grid">
            <path d={`M0 ${y(tick)} H${WIDTH - RIGHT}`} />
            <text x={WIDTH - RIGHT + 8} y={y(tick) + 4} class="value">{plot.unit(tick)}</text>
          </g>
        ))}
        {hours.map(({ time, at }) => <text key={time} x={at * wide} y={HEIGHT - 6} class="hour">{clock(time).slice(0, 5)}</text>)}
        {props.children}
      </svg>
      </div>
    </figure>
  );
}

interface Scale { ticks: number[]; y: (value: number) => number }

function linear(most: number): Scale {
  const raw = most / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power);
  const top = Math.ceil(most / step) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step);
  return { ticks, y: (value) => TOP + INNER * (1 - value / top) };
}

function logarithmic(least: number, most: number): Scale {
  const low = Math.floor(Math.log10(Math.max(least, 1)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(most, 1))), low + 1);
  const ticks = Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
  return { ticks, y: (value) => TOP + INNER * (1 - (Math.log10(Math.max(value, 1)) - low) / (high - low)) };
}

function path(values: (number | undefined)[], place: (value: number, at: number) => readonly [number, number]): string {
  let isDown = false;
  return values.map((value, at) => {
    const command = isDown ? "L" : "M";
    isDown = value !== undefined;
    return value === undefined ? "" : command + place(value, at).map((part) => part.toFixed(1)).join(" ");
  }).join("");
}
