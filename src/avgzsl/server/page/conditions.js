// The condition language of the archive, as `duration < 10 and label = "church bell"`: read, written, and said in words.

const TOKEN = /\s*(?:("[^"]*"|'[^']*')|(<=|>=|!=|=|<|>)|([^\s<>=!"']+))/y;
const SAID = { "=": "is", "!=": "is not", "<": "below", "<=": "at most", ">": "above", ">=": "at least", contains: "contains" };
const FLAGS = { has_audio: "sound", has_video: "picture" };

// The comparisons of a condition; null for what the server has to judge.
export function read(text) {
  const words = [];
  const whole = (text ?? "").trimEnd();
  if (!whole) return [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < whole.length; ) {
    const token = TOKEN.exec(whole);
    if (!token) return null;
    words.push(token[0].trim());
  }
  if (words.length % 4 !== 3) return null;
  const comparisons = [];
  for (let i = 0; i < words.length; i += 4) {
    if (i && words[i - 1].toLowerCase() !== "and") return null;
    const [column, operator, value] = words.slice(i, i + 3);
    if (!Object.hasOwn(SAID, operator.toLowerCase())) return null;
    comparisons.push({ column, operator: operator.toLowerCase(), value: bare(value) });
  }
  return comparisons;
}

export const written = (comparisons) =>
  comparisons.map(({ column, operator, value }) => `${column} ${operator} ${quoted(String(value))}`).join(" and ");

// The language has no sign for a quote inside of quotes: what has both kinds cannot be asked for.
export const canBeWritten = (value) => !(value.includes('"') && value.includes("'"));

// The condition with these comparisons in the place of what it said of the columns.
export const changed = (comparisons, columns, now) => [...comparisons.filter((one) => !columns.includes(one.column)), ...now];

export function said({ column, operator, value }) {
  if (column in FLAGS) return `${isYes(value) === (operator === "=") ? "with" : "without"} ${FLAGS[column]}`;
  if (column === "duration") return `${SAID[operator].replace("is", "exactly")} ${value} s`;
  if (operator === "=") return `${column}: ${value === "" ? "none" : value}`;
  return `${column} ${SAID[operator]} ${value}`;
}

export const inWords = (text) => read(text)?.map(said).join(", ") ?? text;

const isYes = (value) => ["yes", "true", "1"].includes(value.toLowerCase());
const bare = (value) => (/^["']/.test(value) ? value.slice(1, -1) : value);

function quoted(value) {
  if (/^[^\s<>=!"']+$/.test(value)) return value;
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}
