/** A slider with marks, for the epochs of a film and for the steps of the attack. */

/** A track between 0 and 1. `onMove(value, isSettled)` is called while the handle moves and when it is released. */
export class Track {
  constructor(parent, { label, onMove }) {
    this.onMove = onMove;
    this.value = 0;
    this.stops = [];
    this.element = element("div", "track", parent);
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "slider");
    this.element.setAttribute("aria-label", label);
    this.element.setAttribute("aria-valuemin", 0);
    this.element.setAttribute("aria-valuemax", 1);
    this.rail = element("div", "rail", this.element);
    this.marks = element("div", "marks", this.element);
    this.handle = element("div", "handle", this.element);
    this.element.addEventListener("pointerdown", (event) => this.#grab(event));
    this.element.addEventListener("keydown", (event) => this.#press(event));
  }

  /** Set the marks, each { at, text, kind, title }; a mark of kind `stop` is one that the arrow keys go to. */
  setMarks(marks) {
    this.marks.replaceChildren();
    this.stops = marks.filter((mark) => mark.kind === "stop").map((mark) => mark.at);
    let end = -1;
    for (const { at, text, kind, title } of marks) {
      const mark = element("div", `mark ${kind}`, this.marks);
      mark.style.left = `${100 * at}%`;
      mark.title = title ?? "";
      if (text && at > end + 0.045) {
        element("span", "", mark).textContent = text;
        end = at;
      }
    }
  }

  /** Move the handle, and describe its place for screen readers. */
  set(value, text) {
    this.value = value;
    this.handle.style.left = `${100 * value}%`;
    this.element.setAttribute("aria-valuenow", value.toFixed(3));
    this.element.setAttribute("aria-valuetext", text);
  }

  /** Return the next stop in a direction (1 or -1) from the handle. */
  next(direction) {
    const ahead = this.stops.filter((stop) => (direction > 0 ? stop > this.value + 1e-6 : stop < this.value - 1e-6));
    return ahead.length ? (direction > 0 ? Math.min(...ahead) : Math.max(...ahead)) : direction > 0 ? 1 : 0;
  }

  #grab(event) {
    event.preventDefault();
    this.element.focus();
    this.element.setPointerCapture(event.pointerId);
    const move = (e, isSettled) => {
      const box = this.rail.getBoundingClientRect();
      this.onMove(Math.min(Math.max((e.clientX - box.left) / box.width, 0), 1), isSettled);
    };
    const follow = (e) => move(e, false);
    const release = (e) => {
      for (const [name, act] of Object.entries(acts)) this.element.removeEventListener(name, act);
      move(e, true);
    };
    const acts = { pointermove: follow, pointerup: release, pointercancel: release };
    for (const [name, act] of Object.entries(acts)) this.element.addEventListener(name, act);
    move(event, false);
  }

  #press(event) {
    const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const end = { Home: 0, End: 1 }[event.key];
    if (direction === undefined && end === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.onMove(end ?? this.next(direction), true);
  }
}

/** Return a new element with a class, appended to `parent`. */
export function element(name, className, parent) {
  const created = document.createElement(name);
  if (className) created.className = className;
  parent?.append(created);
  return created;
}

/** Return a name that is not longer than a picture has room for. */
export function shortened(name) {
  return name.length > 24 ? `${name.slice(0, 23)}…` : name;
}
