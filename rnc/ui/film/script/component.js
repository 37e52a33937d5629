/** The film as a component of a page of Streamlit. */

import { Player } from "./player.js";

/** Show the films whose addresses are in `data`; called again whenever the page is drawn. */
export async function mountComponent({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".film"), key = JSON.stringify(data.films.map(({ address }) => address));
  const callbacks = data.is_compact ? {} : {
    onSettle: (moment) => setTriggerValue("settled", moment),
    onPick: (samples) => setTriggerValue("picked", samples),
  };
  root.classList.toggle("compact", data.is_compact);
  if (root.player && root.filmKey === key) {  // the page was drawn again with the same films, which play on
    root.player.callbacks = callbacks;
    root.player.isThemeOld = true;
    root.player.picked = new Set(data.picked);
    const isAnswerToLastReport = data.report === root.player.reports;
    if (data.epoch !== root.filmEpoch && isAnswerToLastReport) root.player.follow(data.epoch);
    root.filmEpoch = data.epoch;  // (a film that is still being read follows once it is)
    root.player.invalidate();
    return;
  }
  const settings = root.player?.settings ?? (data.is_compact ? { story: true, loop: false, share: 1, view: "plane" } : {});
  const plays = data.is_compact ? !matchMedia("(prefers-reduced-motion: reduce)").matches : root.player?.isPlaying ?? false;
  root.player?.end();
  root.filmKey = key;
  const sources = data.films.map(({ address, label }) => ({ label, read: (path) => fetched(address + path) }));
  const player = (root.player = new Player(root, sources, { settings, classColours: data.colours, callbacks, readScript }));
  player.picked = new Set(data.picked);
  player.reports = data.report;
  player.isPlaying = plays;
  root.filmEpoch = data.epoch;
  try {
    await player.start();
    if (root.player !== player) return;
    if (!player.isPlaying) return player.follow(root.filmEpoch);
    if (data.is_compact) player.seek(player.first, 0);
    player.toggle(true);
  } catch (error) {
    if (root.player !== player) return;  // another film has been chosen meanwhile
    player.end();
    root.player = root.filmKey = null;
    root.replaceChildren();
    const message = document.createElement("p");
    message.setAttribute("role", "alert");
    message.textContent = error.message;
    root.append(message);
  }
}

/** End the film of a component that leaves the page. */
export function unmountComponent({ parentElement }) {
  const root = parentElement.querySelector(".film");
  root?.player?.end();
  if (root) root.player = root.filmKey = null;
}

/** Return the bytes at an address below the app's. Throws an Error with the server's reason if there are none. */
async function fetched(path) {
  const answer = await fetch(new URL(path, document.baseURI));
  if (!answer.ok) throw new Error(await answer.text());
  return answer.arrayBuffer();
}

/** Return the text of this script, for an exported film. */
async function readScript() {
  const text = await (await fetch(import.meta.url)).text();
  return text.replace(/^export \{.*$/m, "");
}
