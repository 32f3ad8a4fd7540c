// The browser's own storage for this page. A browser may refuse it: then nothing is kept, and nothing else is wrong.

/** @typedef {"localStorage" | "sessionStorage"} Area */

/** @param {string} key @param {Area} [area] @returns {string | null} null where nothing is kept */
export function recall(key, area = "localStorage") {
  try {
    return globalThis[area].getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value @param {Area} [area] @returns {boolean} whether it is kept */
export function keep(key, value, area = "localStorage") {
  try {
    globalThis[area].setItem(key, value);
    return true;
  } catch {
    return false;
  }
}

/** What was kept as JSON, null for what is none. @param {string} key @param {Area} [area] @returns {any} */
export function recallJson(key, area) {
  try {
    return JSON.parse(recall(key, area) ?? "null");
  } catch {
    return null;
  }
}
