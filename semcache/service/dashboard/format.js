// Numbers and times as text. Every number says its unit; what is not known is a dash, never 0.

export const UNKNOWN = "–";

// As many digits as the largest of some amounts needs, so that a column of them lines up.
export function digitsFor(...amounts) {
  const largest = Math.max(0, ...amounts.map((amount) => Math.abs(Number(amount))));
  if (largest === 0 || largest >= 10) return 2;
  return largest >= 0.1 ? 4 : 6;
}

export function usd(amount, digits = digitsFor(amount)) {
  if (amount === null || amount === undefined) return UNKNOWN;
  const value = Number(amount);
  if (value === 0) return "$0";
  const sign = value < 0 ? "−" : "";
  const least = 10 ** -digits;
  if (Math.abs(value) < least / 2) return `${sign}<$${least.toFixed(digits)}`;
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${sign}$${text}`;
}

export const count = (value) => (value === null || value === undefined ? UNKNOWN : Number(value).toLocaleString("en-US"));

export function share(value, digits = 1) {
  return value === null || value === undefined ? UNKNOWN : `${(100 * value).toFixed(digits).replace("-", "−")} %`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function duration(ms) {
  if (ms === null || ms === undefined) return UNKNOWN;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; value >= 1000 && at < units.length - 1; at += 1) value /= 1000;
  return `${at ? value.toFixed(1) : value} ${units[at]}`;
}

const DAY = { day: "numeric", month: "short" };
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString([], { ...CLOCK, second: "2-digit" });
export const day = (seconds, timeZone) => new Date(1000 * seconds).toLocaleDateString([], { ...DAY, timeZone });
export const hour = (seconds) => new Date(1000 * seconds).toLocaleTimeString([], CLOCK);

export function when(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const at = new Date(1000 * seconds);
  const isToday = at.toDateString() === new Date().toDateString();
  if (isToday) return clock(seconds);
  const year = at.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return at.toLocaleString([], { ...DAY, ...year, ...CLOCK });
}
