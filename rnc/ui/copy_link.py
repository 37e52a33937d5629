"""The button that copies the address of the page, which contains every choice.

Tested by tests/browser/test_addresses.py.
"""

import streamlit as st

from rnc.ui.lab.session_jobs import JOB_PARAMETER

_HTML = """<div class="link">
  <button type="button"><span class="icon" aria-hidden="true">link</span> <span class="text">Copy link</span></button>
  <input type="text" readonly hidden aria-label="The address of this view">
</div>"""
_STYLE = """
.link { font-family: var(--st-font); font-size: 0.875rem; }
button {
  box-sizing: border-box; min-height: 2.5rem; padding: 0.25rem 0.75rem; font: inherit; cursor: pointer;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.icon { font-family: "Material Symbols Rounded"; vertical-align: middle; }
input {
  box-sizing: border-box; width: 100%; margin-top: 0.5rem; padding: 0.25rem 0.5rem; font: inherit;
  color: var(--st-text-color); background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
}
"""
_SCRIPT = """export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  const text = button.querySelector(".text");
  const field = parentElement.querySelector("input");
  const address = () => {
    const shared = new URL(window.location.href);
    shared.searchParams.delete("JOB_PARAMETER");  // it lets its holder see and stop the visitor's attack
    return shared.href;
  };
  let waiting;
  const say = (words) => {
    text.textContent = words;
    clearTimeout(waiting);
    waiting = setTimeout(() => { text.textContent = "Copy link"; }, 4000);
  };
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(address());
      field.hidden = true;
      say("Link copied");
    } catch {  // without permission, or on a page without encryption, a browser has no clipboard for scripts
      field.hidden = false;
      field.value = address();
      field.focus();
      field.select();
      say("Copy the selected address");
    }
  };
  return () => clearTimeout(waiting);
}""".replace("JOB_PARAMETER", JOB_PARAMETER)

KEY = "copy_link"
_component = st.components.v2.component("rnc_copy_link", html=_HTML, css=_STYLE, js=_SCRIPT)


def draw_copy_link() -> None:
    """Draw the button; where a browser refuses to copy, it shows the address to be copied by hand."""
    _component(key=KEY)
