/* Shows what the server says to show, and tells it what was clicked. All state lives there; a reload loses nothing. */

import { said, t, translate } from "./words.js";

const at = (id) => /** @type {any} */ (document.getElementById(id));
let state = null;
let waiting = false;

async function call(verb, body) {
  const answer = await fetch(`api/${verb}`, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error ?? answer.statusText);
  return said;
}

async function act(verb, body = {}) {
  if (waiting || state === null) return;
  waiting = true;
  try {
    show(await call(verb, body));
    at("error").hidden = true;
  } catch (error) {
    at("error").textContent = error instanceof TypeError ? t`The connection is lost; try again.` : said(error.message);
    at("error").hidden = false;
  } finally {
    waiting = false;
  }
}

const answer = (yes) => state && !state.result && act("answer", { row: state.row, yes });

async function finish() {
  at("finish").disabled = true;
  at("finish").textContent = t`making the slider …`;
  await act("finish");
  if (state.result) at("made").focus();
  else show(state);
}

function show(now) {
  state = now;
  const { yes, no, needed, result } = now;
  document.title = `${t`${now.question}?`} · tlgan label`;
  at("workspace").textContent = now.workspace;
  at("question").textContent = t`${now.question[0].toUpperCase() + now.question.slice(1)}?`;
  at("picture").src = `picture/${now.row}.png`;
  at("counts").textContent = t`${yes} yes, ${no} no`;
  const part = Math.min(1, (yes + no) / needed.all, yes / needed.each, no / needed.each);
  at("progress").style.width = `${100 * part}%`;
  at("estimate").textContent = estimated(now);
  at("looked").textContent = now.looked < now.pool ? t`looked at ${now.looked} of ${now.pool} pictures` : "";
  row("surest-yes", now.examples.yes);
  row("surest-no", now.examples.no);
  at("undo").disabled = yes + no === 0 || result !== null;
  for (const id of ["yes", "no", "skip"]) at(id).disabled = result !== null;
  at("finish").disabled = !now.ready || result !== null;
  at("finish").hidden = result !== null;
  at("finish").textContent = t`make the slider`;
  if (result) finished(now, result);
}

function estimated({ yes, no, needed, estimate, ready }) {
  if (estimate === null) return t`At least ${needed.all} answers are needed, ${needed.each} of each.`;
  const [auc, low, high] = [estimate.auc, estimate.low, estimate.high].map((x) => Math.round(100 * x));
  const which = estimate.at_random ? t`pictures drawn at random` : t`pictures, hard ones among them`;
  const more = ready ? "" : t`${Math.max(needed.all - yes - no, needed.each - Math.min(yes, no), 0)} more to go.`;
  const known = t`Of a picture with and one without, it knows which is which ${auc} % of the time (between ${low} and ${high} %; measured on ${estimate.pictures} ${which}).`;
  return `${known} ${more}`.trim();
}

function row(id, rows) {
  const list = at(id);
  list.replaceChildren(...rows.map((number) => {
    const item = document.createElement("li");
    const image = document.createElement("img");
    image.src = `picture/${number}.png?small`;
    image.alt = "";
    item.append(image);
    return item;
  }));
}

function finished(now, result) {
  at("result").hidden = false;
  at("made").textContent = t`The slider “${now.question}” is made.`;
  at("strip").src = "strip.png";
  const share = Math.round(100 * Math.max(0, result.r2));
  const weak = result.weak ? t`That is little: this generator hardly varies it, or the clicks do not agree.` : "";
  at("quality").textContent = `${t`Its axis explains ${share} % of how the feature varies on new pictures.`} ${weak}`.trim();
  at("next").textContent = `tlgan studio ${now.workspace}`;
}

at("yes").addEventListener("click", () => answer(true));
at("no").addEventListener("click", () => answer(false));
at("skip").addEventListener("click", () => answer(null));
at("undo").addEventListener("click", () => act("undo"));
at("finish").addEventListener("click", finish);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const onButton = event.target instanceof HTMLButtonElement;
  const key = event.key.toLowerCase();
  if (key === "y" || key === "arrowright") answer(true);
  else if (key === "n" || key === "arrowleft") answer(false);
  else if (key === "s" || (key === " " && !onButton)) answer(null);
  else if (key === "u" || key === "backspace") act("undo");
  else return;
  event.preventDefault();
});

async function watch() {
  if (state === null || state.looked < state.pool) {
    try {
      const now = await call("state");
      if (!waiting) show(now);
    } catch (error) {
        at("error").textContent = said(error.message);
      at("error").hidden = false;
    }
    setTimeout(watch, 700);
  }
}
translate(document.documentElement);
watch();
