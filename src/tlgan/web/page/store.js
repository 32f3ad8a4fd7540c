// The one place that holds state: a history, and those who want to know when it moves.

import * as history from "./history.js";

export class Store {
  /** @param {import("./state.js").State} state */
  constructor(state) {
    this.history = history.begin(state);
    this.listeners = [];
  }

  get state() {
    return this.history.present;
  }

  get canUndo() {
    return this.history.past.length > 0;
  }

  get canRedo() {
    return this.history.future.length > 0;
  }

  /** @param {(state: import("./state.js").State) => void} listen */
  subscribe(listen) {
    this.listeners.push(listen);
  }

  /** Apply a gesture; with a `key`, as part of one that goes on until `settle`. */
  do(gesture, key = null) {
    this.move(history.step(this.history, gesture(this.state), key));
  }

  settle() {
    this.move(history.settle(this.history));
  }

  undo() {
    this.move(history.undo(this.history));
  }

  redo() {
    this.move(history.redo(this.history));
  }

  move(next) {
    if (next === this.history) return;
    this.history = next;
    for (const listen of this.listeners) listen(this.state);
  }
}
