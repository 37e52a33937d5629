/** The player of films: one clock for one or two films, its controls, and the user's selection of samples. */

import { channels, COLOURINGS, onScale, rangeOf } from "./colours.js";
import { composeFrame, download, fromBase64, gifOfFilm, htmlOfFilm, videoOfFilm, videoType } from "./exports.js";
import { Pane } from "./pane.js";
import { element, shortened, Track } from "./track.js";

const SECONDS = { time: 8, attack: 4 };
const SHOWN_BELOW = 24;
const VIEWS = { pca: "PCA", plane: "plane of 3 class means", space: "space of 4 class means", umap: "UMAP" };
export const DEFAULTS = {
  view: "pca", solid: false, span: [0, 1, 2, 3], colouring: "class", size: 1, hand: "time", speed: 1, loop: true, means: true, story: false,
  rows: false, trails: true, lasso: false, isolated: null, sameScale: false, logarithmic: true, time: 1, share: 0, plain: false,
};

export class Player {
  /**
   * `sources` are one or two objects with `label` and `read(path)`; `views`, if they have it, are the names of the only views
   * that can be read. `callbacks` may have `onSettle` and `onPick`.
   */
  constructor(root, sources, { settings = {}, classColours, callbacks = {}, readScript = null }) {
    this.root = root;
    this.settings = { ...DEFAULTS, ...settings };
    this.classColours = classColours;
    this.classChannels = classColours.map(channels);
    this.callbacks = callbacks;
    this.readScript = readScript;
    this.picked = new Set();
    this.frames = 0;
    this.reports = 0;
    this.isPlaying = false;
    this.stored = namesInAll(sources.map(({ views }) => views).filter(Boolean));
    if (this.stored.length && !this.stored.includes(this.#viewName())) this.#setView(this.stored[0]);
    root.replaceChildren();
    this.bar = element("div", "bar", root);
    const row = element("div", "panes", root);
    this.panes = sources.map((source) => new Pane(this, row, source));
    this.scales = element("div", "scales", root);
    this.tracks = element("div", "tracks", root);
    this.below = element("div", "below", root);
    this.legend = element("div", "legend", root);
    this.#watch();
  }

  /** Read the films, and show the first picture. Throws an Error with the reason if a film cannot be shown. */
  async start() {
    await Promise.all(this.panes.map((pane) => pane.load(this.#viewName())));
    const every = this.panes.flatMap(({ film }) => film.epochs);
    this.first = Math.min(...every);
    this.last = Math.max(...every);
    this.#buildBar();
    this.#buildTracks();
    await this.#changeView();
  }

  /** The moment that is shown: an epoch, a share of the attack, and the hand that moves. */
  get moment() {
    const { time, share, hand, logarithmic } = this.settings;
    return { epoch: this.#epochAt(time), share: Math.min(share, 1), hand, isLogarithmic: logarithmic };
  }

  /** Return whether a film is drawn in three dimensions. */
  isSolid(film) {
    return film.view.dimensions === 3 && (film.view.view !== "pca" || this.settings.solid);
  }

  /** Say in words which epoch and which step of the attack a film shows. */
  describeMoment(film) {
    const { epoch, share, isLogarithmic } = this.moment;
    const near = film.around(epoch, 0, isLogarithmic).filter(({ weight }) => weight > 1e-3);
    const around = [...new Set(near.map((part) => film.epochs[part.epoch]))];
    const when = around.length > 1 ? `${epoch.toFixed(1)} (interpolated between ${around[0]} and ${around[1]})` : around[0];
    const last = film.states.last_step, step = share * (last + 1) - 1;
    if (share === 0) return `epoch ${when}, clean`;
    if (!film.hasCondition(epoch, isLogarithmic)) return `epoch ${when}, clean (no features under ${film.states.condition_in_words} are stored here)`;
    if (share === 1) return `epoch ${when}, ${film.states.condition_in_words}`;
    if (last === 1) return `epoch ${when}, ${Math.round(100 * share)} % of the way to ${film.states.condition_in_words}`;
    return `epoch ${when}, ${step < 0 ? "between clean and the start" : `step ${step.toFixed(1).replace(".0", "")} of ${last}`}`;
  }

  /** Go to an epoch and a share of the attack. */
  seek(epoch, share) {
    this.settings.time = this.#timeAt(epoch);
    this.settings.share = share;
    this.invalidate();
  }

  /** Go to an epoch that was chosen elsewhere and stay there, unless it is the one that this film reported last. */
  follow(epoch) {
    const { film } = this.panes[0];
    if (!film?.view) return;
    const nearest = film.epochs.filter((stored) => stored <= epoch).at(-1) ?? film.epochs[0];
    if (this.settledAt !== nearest) {
      this.isPlaying = false;
      this.seek(nearest, this.settings.share);
    }
    this.settledAt = null;
  }

  /** Show a part (0 to 1) of the film along the hand that is played. */
  showPart(part) {
    if (this.settings.hand === "attack") this.settings.share = part;
    else this.settings.time = part;
    this.drawNow();
  }

  /** Select samples, or none. With `adds`, a selected sample is deselected and others are added. */
  pick(samples, adds = false) {
    if (!adds) this.picked = new Set(samples);
    else for (const sample of samples) if (!this.picked.delete(sample)) this.picked.add(sample);
    this.callbacks.onPick?.([...this.picked].sort((a, b) => a - b));
    this.invalidate();
  }

  /** Draw a new picture with the screen's next one. */
  invalidate() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.drawNow();
    });
  }

  /** Draw a new picture now. */
  drawNow() {
    if (this.hasEnded) return;
    if (!this.theme || this.isThemeOld) this.#readTheme();
    for (const pane of this.panes) pane.draw();
    this.#compareScales();
    this.#drawTracks();
    this.#namePlay();
    this.frames++;
  }

  /** Play or stop. */
  toggle(isPlaying = !this.isPlaying) {
    this.isPlaying = isPlaying;
    this.#namePlay();
    if (!isPlaying) return this.settle();
    const { settings } = this;
    if (settings.story) this.#chooseAct();
    const name = settings.hand === "attack" ? "share" : "time";
    if (settings[name] >= 1) settings[name] = 0;
    let before = null;
    const round = (this.round = {});
    const step = (now) => {
      if (!this.isPlaying || this.round !== round || !this.root.isConnected) return;
      const seconds = before === null ? 0 : (now - before) / 1000;
      before = now;
      settings[name] += (seconds * settings.speed) / SECONDS[settings.hand];
      if (settings[name] >= 1 + (settings.loop ? 0.12 : 0)) {  // a film that starts again rests at its end
        settings[name] = settings.loop ? 0 : 1;
        if (settings.story && name === "time") return this.toggle(true);
        if (!settings.loop) this.toggle(false);
      }
      this.drawNow();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** Call the button by what it does: at the end of the film, playing begins again. */
  #namePlay() {
    const { story, hand, time, share } = this.settings;
    const isAtEnd = story ? time >= 1 && share >= 1 : (hand === "attack" ? share : time) >= 1;
    setText(this.play, this.isPlaying ? "■ Stop" : isAtEnd ? "▶ Play from the start" : "▶ Play");
  }

  /** The largest number of pixels for a unit of the features: that of the picture with the longest distances, if all share it. */
  mostPixels() {
    const shown = this.panes.filter((pane) => pane.film?.view);
    return this.settings.sameScale ? Math.min(...shown.map((pane) => pane.fittingPixels)) : Infinity;
  }

  /** Say how the scales of two pictures differ. */
  #compareScales() {
    const shown = this.panes.filter((pane) => pane.film?.view && pane.pixels > 0).sort((a, b) => b.pixels - a.pixels);
    if (shown.length < 2) return setText(this.scales, "");
    const times = Number((shown[0].pixels / shown[1].pixels).toPrecision(2)), [longer, other] = shown.map(({ film }) => shortened(film.label));
    setText(this.scales, times === 1 ? "Both pictures have the same scale." : `The scales differ: a unit is ${times} times as long in the picture of ${longer} as in that of ${other} (see the bars).`);
  }

  /** Go on with the story: the epochs of the clean images, and after them the attack; at its end, begin again. */
  #chooseAct() {
    const { settings } = this;
    if (settings.time >= 1 && settings.share >= 1) settings.time = 0;
    settings.hand = settings.time < 1 ? "time" : "attack";
    if (settings.hand === "time") settings.share = 0;
  }

  /** Report the moment at which the film stays. Reports are numbered, so that an answer to an earlier one is known as such. */
  settle() {
    const { epoch, share, isLogarithmic } = this.moment, film = this.panes[0].film;
    this.settledAt = film.epochs[film.nearest(epoch, share, isLogarithmic).epoch];
    this.callbacks.onSettle?.({ epoch: this.settledAt, share, number: ++this.reports });
  }

  /** End the player; it draws nothing more. */
  end() {
    this.isPlaying = false;
    this.hasEnded = true;
    this.root.removeEventListener("keydown", this.onKey);
    for (const pane of this.panes) pane.end();
    if (this.pending) cancelAnimationFrame(this.pending);
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.onScheme);
  }

  #epochAt(time) {
    const share = Math.min(time, 1);
    if (!this.settings.logarithmic) return this.first + share * (this.last - this.first);
    return (this.first + 1) * ((this.last + 1) / (this.first + 1)) ** share - 1;
  }

  #timeAt(epoch) {
    if (this.last === this.first) return 1;
    if (!this.settings.logarithmic) return (epoch - this.first) / (this.last - this.first);
    return Math.log((epoch + 1) / (this.first + 1)) / Math.log((this.last + 1) / (this.first + 1));
  }

  #viewName() {
    const { view, span } = this.settings;
    if (view === "plane") return `span-${span.slice(0, 3).join("-")}`;
    return view === "space" ? `span-${span.join("-")}` : view;
  }

  /** Choose a view by its name: `pca`, `umap`, or `span-` with the numbers of its classes. */
  #setView(name) {
    const classes = name.startsWith("span-") ? name.split("-").slice(1).map(Number) : [];
    this.settings.view = { 3: "plane", 4: "space" }[classes.length] ?? name;
    this.settings.span = [...classes, ...this.settings.span.filter((c) => !classes.includes(c))].slice(0, 4);
  }

  /** Return the choices of a view, each with its name in words; those of a file name the classes that each view is of. */
  #viewsInWords(classes) {
    if (this.stored.length) return Object.fromEntries(this.stored.map((name) => [name, viewInWords(name, classes)]));
    const views = { ...VIEWS };
    if (classes.length < 4) delete views.space;
    if (classes.length < 3) delete views.plane;
    return views;
  }

  async #changeView() {
    const { settings } = this, name = this.#viewName(), classCount = this.stored.length ? 0 : { plane: 3, space: 4 }[settings.view] ?? 0;
    this.solid.parentElement.hidden = settings.view !== "pca";
    this.span.forEach((select, i) => (select.parentElement.hidden = i >= classCount));
    this.viewIsShown = Promise.all(this.panes.map((pane) => pane.show(name)));
    await this.viewIsShown;
    for (const pane of this.panes) if (pane.film.view && this.isSolid(pane.film)) pane.camera.turnBy(0.5, 0.35);
    this.invalidate();
  }

  #changeColouring() {
    const isOfClasses = ["class", "predicted"].includes(this.settings.colouring);
    this.range = isOfClasses ? null : rangeOf(this.panes.map(({ film }) => film), this.settings.colouring);
    this.#buildLegend(isOfClasses);
    this.invalidate();
  }

  #buildBar() {
    const { bar, settings } = this, { classes } = this.panes[0].film.states;
    this.play = button(bar, "▶ Play", () => this.toggle());
    this.play.classList.add("play");
    choice(bar, "Play over", { time: "epochs", attack: "attack steps" }, settings.hand, (value) => {
      this.toggle(false);
      settings.hand = value;
      this.invalidate();
    });
    const views = this.#viewsInWords(classes);
    if (!this.stored.length && !views[settings.view]) settings.view = "pca";
    if (settings.isolated !== null && settings.isolated >= classes.length) settings.isolated = null;
    choice(bar, "View", views, this.stored.length ? this.#viewName() : settings.view, (value) => {
      if (this.stored.length) this.#setView(value);
      else settings.view = value;
      this.#changeView();
    });
    this.solid = check(bar, "3-D", settings.solid, (value) => {
      settings.solid = value;
      for (const pane of this.panes) pane.camera.reset();
      if (value) for (const pane of this.panes) pane.camera.turnBy(0.5, 0.35);
      this.invalidate();
    });
    settings.span = settings.span.filter((c) => c < classes.length);
    while (settings.span.length < Math.min(4, classes.length)) settings.span.push([0, 1, 2, 3].find((c) => !settings.span.includes(c)));
    this.span = settings.span.map((chosen, i) =>
      choice(bar, `Class ${i + 1}`, Object.fromEntries(classes.map((name, c) => [c, name])), chosen, (value) => {
        const other = settings.span.indexOf(Number(value));
        if (other >= 0) this.span[other].value = settings.span[other] = settings.span[i];  // the two change places
        settings.span[i] = Number(value);
        this.#changeView();
      }));
    choice(bar, "Colour", COLOURINGS, settings.colouring, (value) => {
      settings.colouring = value;
      this.#changeColouring();
    });
    if (this.panes.length > 1) {
      check(bar, "Same scale", settings.sameScale, (value) => {
        settings.sameScale = value;
        this.invalidate();
      });
    }
    this.#buildOptions();
    this.#buildExport();
    this.#changeColouring();
  }

  #buildOptions() {
    const { settings } = this, box = dropDown(this.bar, "Options");
    choice(box, "Speed", { 0.25: "¼", 0.5: "½", 1: "1", 2: "2", 4: "4" }, settings.speed, (value) => (settings.speed = Number(value)));
    check(box, "Loop", settings.loop, (value) => (settings.loop = value));
    choice(box, "Size", { 0.6: "small", 1: "medium", 1.8: "large" }, settings.size, (value) => {
      settings.size = Number(value);
      this.invalidate();
    });
    for (const [name, text] of [["means", "Class means"], ["rows", "Classifier rows"], ["trails", "Trails of the selection"], ["lasso", "Lasso"]]) {
      check(box, text, settings[name], (value) => {
        settings[name] = value;
        this.invalidate();
      });
    }
    button(box, "Clear selection", () => this.pick([]));
  }

  #buildExport() {
    const box = dropDown(this.bar, "Export the film");
    const width = number(box, "Width (pixels)", 900, 200, 1600), seconds = number(box, "Seconds", 6, 1, 30);
    const status = element("span", "status", box);
    status.setAttribute("role", "status");
    const name = () => `film-${this.panes.map(({ film }) => film.label.replace(/[^\w.-]+/g, "_")).join("-")}`;
    const options = () => ({ width: clamped(width), seconds: clamped(seconds), onProgress: (part) => (status.textContent = `${Math.round(100 * part)} %`) });
    const makers = {
      GIF: async () => download(await gifOfFilm(this, options()), `${name()}.gif`, "image/gif"),
      PNG: async () => {
        const canvas = composeFrame(this, clamped(width)), content = await new Promise((resolve) => canvas.toBlob(resolve));
        if (!content) throw new Error("the browser made no picture of this size");
        download(content, `${name()}.png`, "image/png");
      },
    };
    if (this.readScript) {  // an exported film does not export itself again
      makers.HTML = async () => {
        const title = this.panes.map(({ film }) => film.label).join(" beside ");
        download(await htmlOfFilm(this, { script: await this.readScript(), style: STYLE, title }), `${name()}.html`, "text/html");
      };
    }
    const type = videoType();
    if (type) {
      const ending = type.startsWith("video/mp4") ? "mp4" : "webm";
      makers[ending.toUpperCase()] = async () => download(await videoOfFilm(this, options()), `${name()}.${ending}`, type);
    }
    for (const [kind, make] of Object.entries(makers)) {
      const save = button(box, kind, async () => {
        const before = { ...this.settings };
        this.toggle(false);
        this.root.inert = true;  // what moves the film now would change its pictures
        try {
          await this.viewIsShown;
          await make();
          status.textContent = `${kind} saved.`;
        } catch (error) {
          status.textContent = `${kind} could not be made: ${error.message}`;
        } finally {
          this.root.inert = false;
        }
        Object.assign(this.settings, { time: before.time, share: before.share });
        this.invalidate();
      });
      if (kind === "HTML") save.title = "A page that needs no network. It contains the views that have been shown here.";
    }
  }

  #buildTracks() {
    const { tracks, settings } = this;
    const time = element("div", "line", tracks), attack = element("div", "line", tracks);
    this.timeLabel = element("label", "", time);
    this.timeTrack = new Track(time, { label: "Epoch", onMove: (value, isSettled) => this.#move("time", value, isSettled) });
    check(time, "log", settings.logarithmic, (value) => {
      const { epoch } = this.moment;
      settings.logarithmic = value;
      settings.time = this.#timeAt(epoch);
      this.#markTracks();
      this.invalidate();
    });
    this.attackLabel = element("label", "", attack);
    this.attackTrack = new Track(attack, { label: "Attack", onMove: (value, isSettled) => this.#move("share", value, isSettled) });
    this.marksKey = element("div", "marks-key", this.below);
    this.note = element("div", "note", this.below);
    this.note.setAttribute("role", "status");
    this.#markTracks();
  }

  #move(name, value, isSettled) {
    if (this.isPlaying) this.toggle(false);
    this.settings.hand = name === "share" ? "attack" : "time";
    this.bar.querySelector("select").value = this.settings.hand;
    this.settings[name] = value;
    this.invalidate();
    if (isSettled) this.settle();
  }

  #markTracks() {
    const films = this.panes.map(({ film }) => film), stops = [...new Set(films.flatMap((film) => film.epochs))].sort((a, b) => a - b);
    const marks = stops.map((epoch) => ({ at: this.#timeAt(epoch), text: String(epoch), kind: "stop", title: `Features are stored at epoch ${epoch}` }));
    for (const film of films) {
      const { drops, terminal, arrays, milestone_meanings: meanings } = film.states;
      const leap = arrays.first_leap.reduce((least, epoch) => (epoch >= 0 && (least < 0 || epoch < least) ? epoch : least), -1);
      const events = [
        ...drops.map((epoch) => [epoch, "drop"]),
        ...terminal.map((epoch) => [epoch, "terminal"]),
        ...(leap >= 0 ? [[leap, "leap"]] : []),
      ];
      for (const [epoch, kind] of events) {
        if (epoch >= this.first && epoch <= this.last) marks.push({ at: this.#timeAt(epoch), epoch, kind, title: `${film.label}, epoch ${epoch}: ${meanings[kind]}` });
      }
    }
    this.timeTrack.setMarks(marks);
    this.marksKey.replaceChildren();
    for (const [kind, text] of Object.entries(films[0].states.milestone_names)) {
      const epochs = [...new Set(marks.filter((mark) => mark.kind === kind).map((mark) => mark.epoch))];
      if (!epochs.length) continue;
      const entry = element("span", "", this.marksKey);
      element("span", `mark ${kind}`, entry);
      entry.append(`${text}: epoch ${epochs.join(", ")}`);
    }
    const steps = [...new Set(films.flatMap(({ states }) => states.steps.flat().map((step) => [step, states.last_step].join())))].map((pair) => pair.split(",").map(Number));
    const named = steps.sort((a, b) => a[0] - b[0]).map(([step, last]) => ({
      at: (step + 1) / (last + 1), kind: "stop", text: step < 0 ? "clean" : step === 0 ? "start" : last === 1 ? "perturbed" : String(step),
      title: step < 0 ? "The clean images" : step === 0 ? "The attack's start" : `Step ${step} of ${last}`,
    }));
    this.attackTrack.setMarks(named);
  }

  #drawTracks() {
    const { settings, moment } = this, shown = this.panes.filter((pane) => pane.film?.view);
    if (!this.timeTrack || !shown.length) return;
    const { film } = shown[0], whole = Math.round(moment.epoch);
    this.timeLabel.textContent = `Epoch ${Math.abs(whole - moment.epoch) < 0.05 ? whole : moment.epoch.toFixed(1)}`;
    this.attackLabel.textContent = this.#attackInWords(film.states.last_step);
    this.timeTrack.set(Math.min(settings.time, 1), this.timeLabel.textContent);
    this.attackTrack.set(Math.min(settings.share, 1), this.attackLabel.textContent);
    const { epoch, isLogarithmic } = moment, isOnTheWay = settings.share > 0 && (settings.share < 1 || !film.hasCondition(epoch, isLogarithmic));
    this.note.textContent = isOnTheWay ? [...new Set(shown.map((pane) => pane.film.describeBetween(epoch, isLogarithmic)))].join(" ") : "";
  }

  #attackInWords(last) {
    const share = Math.min(this.settings.share, 1), step = share * (last + 1) - 1;
    if (share === 0) return "Attack: none";
    if (share === 1) return "Attack: complete";
    return last === 1 || step < 0 ? `Attack: ${Math.round(100 * share)} %` : `Attack: step ${step.toFixed(1)} of ${last}`;
  }

  #buildLegend(isOfClasses) {
    const { legend, settings } = this, { classes } = this.panes[0].film.states;
    legend.replaceChildren();
    if (isOfClasses) {
      if (classes.length > SHOWN_BELOW) return;
      classes.forEach((name, c) => {
        const chip = button(legend, shortened(name), () => {
          settings.isolated = settings.isolated === c ? null : c;
          for (const other of legend.children) other.setAttribute("aria-pressed", other === chip && settings.isolated === c);
          this.invalidate();
        });
        chip.className = "chip";
        chip.setAttribute("aria-pressed", settings.isolated === c);
        chip.title = `Show ${name} alone`;
        chip.style.setProperty("--colour", this.classColours[c]);
      });
    } else if (this.range) {
      const ends = this.range.map((value) => Number(value.toPrecision(3)));
      element("span", "", legend).textContent = `${COLOURINGS[settings.colouring]}  ${ends[0]}`;
      const ramp = element("span", "ramp", legend);
      ramp.style.background = `linear-gradient(to right, ${[0, 0.2, 0.4, 0.6, 0.8, 1].map((at) => `rgb(${onScale(at)})`).join(", ")})`;
      element("span", "", legend).textContent = ends[1];
    } else {
      const reason = settings.colouring === "first_leap" ? "no sample leaps" : "not stored";
      element("span", "", legend).textContent = `${COLOURINGS[settings.colouring]}: ${reason}`;
    }
  }

  #readTheme() {
    const style = getComputedStyle(this.root), read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    this.theme = { text: read("--st-text-color", "#31333f"), background: read("--st-background-color", "#ffffff"), font: read("--st-font", "sans-serif"), grey: "#888888", greyChannels: [136, 136, 136] };
    this.theme = { ...this.theme, text: resolved(this.root, this.theme.text), background: resolved(this.root, this.theme.background) };
    this.isThemeOld = false;
  }

  #watch() {
    this.resized = new ResizeObserver(() => this.invalidate());
    this.resized.observe(this.root);
    this.scheme = window.matchMedia("(prefers-color-scheme: dark)");
    this.onScheme = () => {
      this.isThemeOld = true;
      this.invalidate();
    };
    this.scheme.addEventListener("change", this.onScheme);
    this.onKey = (event) => {
      const isControl = ["BUTTON", "SUMMARY"].includes(event.target.tagName);
      if (["SELECT", "INPUT"].includes(event.target.tagName) || (isControl && !event.key.startsWith("Arrow"))) return;
      if (event.key === " ") {
        event.preventDefault();
        this.toggle();
      } else if (event.key.startsWith("Arrow") && this.timeTrack) {
        event.preventDefault();
        const isTime = event.key === "ArrowLeft" || event.key === "ArrowRight", track = isTime ? this.timeTrack : this.attackTrack;
        this.#move(isTime ? "time" : "share", track.next(["ArrowRight", "ArrowUp"].includes(event.key) ? 1 : -1), true);
      } else if (["Home", "End"].includes(event.key) && this.timeTrack) {
        event.preventDefault();
        this.#move("time", event.key === "Home" ? 0 : 1, true);
      }
    };
    this.root.addEventListener("keydown", this.onKey);
  }
}

/** Return the colour that a value of CSS stands for in the theme of an element. */
function resolved(parent, colour) {
  const probe = element("span", "", parent);
  probe.style.color = colour;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Show a text in an element, unless it is there already. */
function setText(shown, text) {
  if (shown && shown.textContent !== text) shown.textContent = text;
}

function button(parent, text, act) {
  const created = element("button", "", parent);
  created.type = "button";
  created.textContent = text;
  created.addEventListener("click", act);
  return created;
}

/** Return the number in a field, within the field's limits, and show it. */
function clamped(input) {
  input.value = Math.min(Math.max(Number(input.value) || Number(input.min), Number(input.min)), Number(input.max));
  return Number(input.value);
}

/** Return the content of a new box that opens below its title. */
function dropDown(parent, text) {
  const menu = element("details", "drop-down", parent);
  element("summary", "", menu).textContent = text;
  return element("div", "", menu);
}

function labelled(parent, text) {
  const label = element("label", "control", parent);
  element("span", "", label).textContent = text;
  return label;
}

function choice(parent, text, options, chosen, act) {
  const select = element("select", "", labelled(parent, text));
  for (const [value, name] of Object.entries(options)) {
    const option = element("option", "", select);
    option.value = value;
    option.textContent = name;
  }
  select.value = String(chosen);
  select.addEventListener("change", () => act(select.value));
  return select;
}

function check(parent, text, isOn, act) {
  const label = labelled(parent, text), box = element("input", "", label);
  label.prepend(box);
  box.type = "checkbox";
  box.checked = isOn;
  box.addEventListener("change", () => act(box.checked));
  return box;
}

function number(parent, text, value, least, most) {
  const input = element("input", "", labelled(parent, text));
  Object.assign(input, { type: "number", value, min: least, max: most });
  return input;
}

/** Return the names that are in all lists or, if there is no such name, those that are in any. */
function namesInAll(lists) {
  const all = [...new Set(lists.flat())], common = all.filter((name) => lists.every((list) => list.includes(name)));
  return common.length ? common : all;
}

/** Say which view a stored view is, with the names of its classes: `plane of the means of cat, dog, ship`. */
function viewInWords(name, classes) {
  if (!name.startsWith("span-")) return VIEWS[name];
  const shown = name.split("-").slice(1).map((c) => shortened(classes[c]));
  return `${shown.length === 3 ? "plane" : "space"} of the means of ${shown.join(", ")}`;
}

/** Show the films of an exported HTML file, with the views that the file contains. */
export async function mountStoredFilm(root, { films, settings, classColours }) {
  const sources = films.map(({ label, states, views }) => ({
    label,
    views: Object.keys(views),
    read: async (path) => {
      const content = path === "states" ? states : views[path.replace("view/", "")];
      if (!content) throw new Error("This view was not exported; show it once before you export the film.");
      return fromBase64(content);
    },
  }));
  const player = new Player(root, sources, { settings, classColours });
  root.player = player;
  await player.start();
  return player;
}
