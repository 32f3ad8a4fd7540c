// The sliders in their groups: sections one below the other where there is room, tabs on a phone. Weak ones stand apart.

import { byId, make } from "./dom.js";
import { Slider } from "./slider.js";
import { t } from "./words.js";

const WEAK = "Weak";
const FEW = 3; // labels that are named in a line

const capital = (words) => words[0].toUpperCase() + words.slice(1);

export class Panel {
  /** @param {import("./engine.js").Description} description @param {import("./slider.js").Hands} hands */
  constructor(description, hands) {
    this.description = description;
    this.foreign = description.foreign ?? [];
    this.element = byId("sliders");
    this.tabs = byId("tabs");
    /** @type {Map<string, Slider>} */
    this.sliders = new Map(
      description.features.map((feature) => [feature.name, new Slider(feature, description.limits.asked, hands, description.effects_by)]),
    );
    this.build();
  }

  build() {
    const weak = [];
    this.filtered = make("p.filtered", { role: "status", hidden: true });
    this.element.append(this.filtered, ...this.foreign.map(({ words }) => make("p.quiet.foreign", {}, capital(words))));
    for (const { name, features } of this.description.groups) {
      const rows = features.map((feature) => this.sliders.get(feature));
      const strong = rows.filter((slider) => !slider.feature.weak);
      weak.push(...rows.filter((slider) => slider.feature.weak));
      if (strong.length) this.section(name, make("h2", {}, name), strong);
    }
    if (weak.length) {
      const summary = make("summary", {}, make("h2", {}, t`weak on this generator (${weak.length})`));
      this.details = make(
        "details",
        {},
        summary,
        make("p.quiet", {}, t`The generator hardly shows these, so their sliders are guesses.`),
      );
      this.section(WEAK, this.details, weak, this.details);
    }
    const sight = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) this.sliders.get(/** @type {HTMLElement} */ (target).dataset.name).show(isIntersecting);
      },
      { rootMargin: "80px" },
    );
    for (const slider of this.sliders.values()) sight.observe(slider.element);
    this.choose(this.tabs.firstElementChild?.dataset.group);
    this.tabs.addEventListener("keydown", (event) => this.walk(event));
  }

  section(name, head, sliders, into = null) {
    const id = `group-${name.replace(/[^\p{L}\p{M}\p{N}]+/gu, "-").toLowerCase()}`;
    const section = make("section.group", { id, "data-group": name, "aria-label": name === WEAK ? t`Weak` : name }, head);
    for (const { name: extractor, features } of this.foreign) {
      const its = sliders.filter((slider) => features.includes(slider.feature.name)).map((slider) => slider.feature.label);
      const some = its.length > FEW ? t`${its.length} of these` : its.join(", ");
      const which = its.length < sliders.length ? some : t`all of these`;
      if (its.length) (into ?? section).append(make("p.quiet.foreign", {}, capital(t`${which}: measured by ${extractor}, which does not know such pictures`)));
    }
    (into ?? section).append(...sliders.map((slider) => slider.element));
    this.element.append(section);
    this.tabs.append(
      make(
        "button",
        {
          role: "tab",
          "aria-controls": id,
          "data-group": name,
          click: () => this.choose(name),
        },
        name === WEAK ? t`weak (${sliders.length})` : name,
      ),
    );
  }

  /** Show one group (this matters on a phone alone). */
  choose(name) {
    if (name === undefined) return;
    for (const tab of this.tabs.children) {
      const on = tab.dataset.group === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on) tab.scrollIntoView({ block: "nearest", inline: "center" });
    }
    for (const section of this.element.querySelectorAll(".group")) {
      section.classList.toggle("chosen", section.dataset.group === name);
    }
    if (name === WEAK) this.details.open = true;
  }

  walk(event) {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const tabs = [...this.tabs.children];
    const next = tabs[(tabs.indexOf(document.activeElement) + way + tabs.length) % tabs.length];
    this.choose(next.dataset.group);
    next.focus();
  }

  /** @param {(name: string, index: number) => import("./slider.js").Reading} reading */
  update(reading) {
    let index = 0;
    for (const [name, slider] of this.sliders) slider.update(reading(name, index++));
  }

  /** Show only some sliders; null shows all. @param {Set<string>|null} names */
  filter(names) {
    for (const [name, slider] of this.sliders) slider.element.hidden = names !== null && !names.has(name);
    for (const section of this.element.querySelectorAll(".group")) {
      section.hidden = !section.querySelector(".slider:not([hidden])");
    }
    this.element.classList.toggle("searching", names !== null);
    if (this.details && names !== null && !this.details.closest(".group").hidden) this.details.open = true;
    this.filtered.hidden = names === null;
  }

  /** The slider's element, in sight. */
  reveal(name) {
    const slider = this.sliders.get(name);
    this.choose(slider.element.closest(".group").dataset.group);
    const details = slider.element.closest("details");
    if (details) details.open = true;
    slider.element.scrollIntoView({ block: "nearest" });
    return slider;
  }

  /** Mark the slider in hand. */
  hold(name) {
    for (const [other, slider] of this.sliders) slider.hold(other === name);
  }
}
