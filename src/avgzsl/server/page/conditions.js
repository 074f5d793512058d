// The condition language of the archive, as `duration < 10 and label = "church bell" or drum`: read, written, and said in words.

const TOKEN = /\s*(?:("[^"]*"|'[^']*')|(<=|>=|!=|=|<|>)|([^\s<>=!"']+))/y;
const SAID = { "=": "is", "!=": "is not", "<": "below", "<=": "at most", ">": "above", ">=": "at least", contains: "contains" };
const LASTS = { ...SAID, "=": "exactly", "!=": "not exactly" };
const SEVERAL = ["=", "contains"]; // which take several values, of which one is enough
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
  const comparisons = [];
  while (words.length >= 3) {
    const [column, operator, value] = words.splice(0, 3);
    const values = [bare(value)];
    while (words.length > 1 && words[0].toLowerCase() === "or") values.push(bare(words.splice(0, 2)[1]));
    if (!Object.hasOwn(SAID, operator.toLowerCase())) return null;
    if (values.length > 1 && !SEVERAL.includes(operator.toLowerCase())) return null;
    comparisons.push({ column, operator: operator.toLowerCase(), values });
    if (!words.length) return comparisons;
    if (words.shift().toLowerCase() !== "and") return null;
  }
  return null;
}

export const written = (comparisons) =>
  comparisons.map(({ column, operator, values }) => `${column} ${operator} ${values.map((one) => quoted(String(one))).join(" or ")}`).join(" and ");

// The language has no sign for a quote inside of quotes: what has both kinds cannot be asked for.
export const canBeWritten = (value) => !(value.includes('"') && value.includes("'"));

// The condition with these comparisons in the place of what it said of the columns.
export const changed = (comparisons, columns, now) => [...comparisons.filter((one) => !columns.includes(one.column)), ...now];

export function said({ column, operator, values }) {
  const value = values.map((one) => (one === "" ? "none" : one)).join(" or ");
  if (column in FLAGS && values.length === 1) return `${isYes(value) === (operator === "=") ? "with" : "without"} ${FLAGS[column]}`;
  if (column === "duration") return `${LASTS[operator]} ${value} s`;
  if (operator === "=") return `${column}: ${value}`;
  return `${column} ${SAID[operator]} ${value}`;
}

export const inWords = (text) => read(text)?.map(said).join(", ") ?? text;

const isYes = (value) => ["yes", "true", "1"].includes(value.toLowerCase());
const bare = (value) => (/^["']/.test(value) ? value.slice(1, -1) : value);

function quoted(value) {
  if (/^[^\s<>=!"']+$/.test(value)) return value;
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}
