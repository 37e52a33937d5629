/** A pane: one film, drawn on two canvases, one for the samples and one above it for everything else. */

import { Camera, fittingPixels } from "./camera.js";
import { colourSamples } from "./colours.js";
import { Film } from "./film.js";
import { readFilmFile } from "./film_file.js";
import { drawOverlay, isInside } from "./overlay.js";
import { createRenderer } from "./renderer.js";
import { element } from "./track.js";

const CLICK_PIXELS = 8;

export class Pane {
  /** `source.read(path)` returns a promise of the bytes of `states` or of `view/NAME`. */
  constructor(player, parent, source) {
    this.player = player;
    this.source = source;
    this.files = { states: null, views: new Map() };
    this.camera = new Camera();
    this.element = element("figure", "pane", parent);
    this.title = element("figcaption", "", this.element);
    this.stage = element("div", "stage", this.element);
    this.points = element("canvas", "", this.stage);
    this.over = element("canvas", "over", this.stage);
    this.message = element("div", "message", this.stage);
    this.message.setAttribute("role", "status");
    this.renderer = createRenderer(this.points, player.settings.plain);
    this.#say("Reading the film …");
    this.over.setAttribute("role", "img");
    this.over.setAttribute("aria-label", "Picture of the film");
    this.points.setAttribute("aria-hidden", "true");
    this.#watchContext();
    this.#listen();
  }

  /** Give the memory of the graphics back. */
  end() {
    this.renderer.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }

  #watchContext() {
    this.points.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      if (!this.player.hasEnded) this.drawPlainly();
    });
  }

  /** Draw without WebGL from now on. */
  drawPlainly() {
    const plain = element("canvas", "");
    this.points.replaceWith(plain);
    this.points = plain;
    this.renderer = createRenderer(plain, true);
    this.player.invalidate();
  }

  /** Read the film's states, and meanwhile the view that is shown first. */
  async load(view) {
    const first = this.#read(view).catch(() => null);  // if there is none, `show` says why
    this.files.states = await this.source.read("states");
    await first;
    this.film = new Film(readFilmFile(this.files.states), this.source.label);
    this.colours = new Uint8Array(4 * this.film.count);
    this.sizes = new Float32Array(this.film.count);
  }

  /** Show a view, or say why the run has none. */
  async show(name) {
    this.wanted = name;
    if (!this.files.views.has(name)) this.#say("Reading the film …");
    try {
      await this.#read(name);
    } catch (error) {
      if (this.wanted === name) this.#say(error.message);
      return;
    }
    if (this.wanted !== name) return;
    const view = readFilmFile(this.files.views.get(name));
    if (JSON.stringify([view.epochs, view.steps]) !== JSON.stringify([this.film.epochs, this.film.states.steps])) {
      this.#say("The store has changed since this film was opened. Reload the page.");
      return;
    }
    this.film.setView(view);
    this.camera.reset();
    this.#say("");
  }

  async #read(name) {
    if (!this.files.views.has(name)) this.files.views.set(name, await this.source.read(`view/${name}`));
  }

  /** Draw the film at the player's moment. */
  draw() {
    const { film, player } = this, { settings, moment, theme } = player;
    if (!film?.view) return;
    const ratio = window.devicePixelRatio || 1, width = this.stage.clientWidth, height = this.stage.clientHeight;
    if (!width || !height) return;
    for (const canvas of [this.points, this.over]) {
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    }
    this.camera.fit(film.view.extent, width, height, !player.isSolid(film), player.mostPixels() * film.view.unit);
    const positions = film.positionsAt(moment.epoch, moment.share, moment.isLogarithmic);
    const isFaint = this.#faint();
    const classColours = player.classChannels, grey = theme.greyChannels;
    colourSamples(film, moment, { colouring: settings.colouring, range: player.range, classColours, isFaint, grey }, this.colours);
    const base = settings.size * ratio * Math.min(Math.max(11 * (400 / film.count) ** 0.3, 3), 12);
    for (let i = 0; i < film.count; i++) this.sizes[i] = player.picked.has(film.states.arrays.samples[i]) ? 1.5 * base : base;
    this.renderer.draw(positions, this.colours, this.sizes, this.camera, ratio);
    const context = this.over.getContext("2d", { willReadFrequently: true });  // drawn by the processor, which is faster
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawOverlay(context, film, moment, this.camera, {
      ...theme,
      classColours: player.classColours,
      showsMeans: settings.means,
      showsRows: settings.rows,
      isHiddenClass: (c) => settings.isolated !== null && settings.isolated !== c,
      trailOf: settings.trails ? this.#pickedPlaces() : [],
      lasso: this.lasso,
    });
    const words = player.describeMoment(film);
    this.over.setAttribute("aria-label", `${film.count} samples of ${film.label}, ${words}`);
    this.title.textContent = `${film.label} · ${words}`;
  }

  /** The pixels for a unit of the features with which the whole film fits into its picture. */
  get fittingPixels() {
    const { clientWidth, clientHeight } = this.stage, { view } = this.film;
    return fittingPixels(view.extent, clientWidth, clientHeight, !this.player.isSolid(this.film)) / view.unit;
  }

  /** The pixels that a unit of the features has in the picture. */
  get pixels() {
    return this.camera.pixels / this.film.view.unit;
  }

  #pickedPlaces() {
    const { samples } = this.film.states.arrays, places = [];
    for (let i = 0; i < samples.length && places.length < 200; i++) if (this.player.picked.has(samples[i])) places.push(i);
    return places;
  }

  #faint() {
    const { samples, labels } = this.film.states.arrays, { picked, settings } = this.player;
    if (settings.isolated !== null) return (i) => labels[i] !== settings.isolated;
    return picked.size ? (i) => !picked.has(samples[i]) : () => false;
  }

  #say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
    this.points.style.visibility = this.over.style.visibility = text ? "hidden" : "visible";
  }

  #listen() {
    const { over } = this;
    over.addEventListener("pointerdown", (event) => {
      if (!this.film?.view) return;
      event.preventDefault();
      over.setPointerCapture(event.pointerId);
      const drawsLasso = event.shiftKey || this.player.settings.lasso;
      let last = [event.offsetX, event.offsetY], way = 0;
      if (drawsLasso) this.lasso = [last];
      const follow = (e) => {
        const [dx, dy] = [e.offsetX - last[0], e.offsetY - last[1]];
        way += Math.hypot(dx, dy);
        last = [e.offsetX, e.offsetY];
        if (drawsLasso) this.lasso.push(last);
        else if (this.player.isSolid(this.film)) this.player.panes.forEach((pane) => pane.camera.turnBy(dx * 0.01, dy * 0.01));
        else this.camera.shift = [this.camera.shift[0] + dx, this.camera.shift[1] + dy];
        this.player.invalidate();
      };
      const release = (e) => {
        for (const [name, act] of Object.entries(acts)) over.removeEventListener(name, act);
        const isClick = way <= CLICK_PIXELS, inside = isClick ? this.#nearest(...last) : this.lasso ? this.#inside(this.lasso) : [];
        this.lasso = null;
        if (e.type === "pointerup" && inside.length) this.player.pick(inside, isClick);
        this.player.invalidate();
      };
      const acts = { pointermove: follow, pointerup: release, pointercancel: release };
      for (const [name, act] of Object.entries(acts)) over.addEventListener(name, act);
    });
    over.addEventListener("dblclick", () => {
      this.camera.reset();
      this.player.invalidate();
    });
    over.addEventListener("wheel", (event) => {
      // A page that is scrolled must not stop here; one in full screen cannot be scrolled.
      if (!event.ctrlKey && !event.metaKey && !document.fullscreenElement) return;
      event.preventDefault();
      this.camera.zoom = Math.min(Math.max(this.camera.zoom * Math.exp(-event.deltaY * 0.002), 0.2), 50);
      this.player.invalidate();
    }, { passive: false });
    over.tabIndex = 0;
  }

  #places() {
    const { positions, states } = this.film, places = [];
    for (let i = 0; i < this.film.count; i++) {
      const [x, y] = this.camera.project([positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]]);
      if (!Number.isNaN(x)) places.push([x, y, states.arrays.samples[i]]);
    }
    return places;
  }

  #inside(lasso) {
    return this.#places().filter(([x, y]) => isInside(x, y, lasso)).map(([, , sample]) => sample);
  }

  #nearest(x, y) {
    let least = CLICK_PIXELS, found = [];
    for (const [px, py, sample] of this.#places()) {
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [least, found] = [distance, [sample]];
    }
    return found;
  }
}
