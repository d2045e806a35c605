/**
 * Elements without a template language. Text becomes text nodes and nothing else,
 * so that no log line is ever read as markup.
 */

/**
 * @typedef {string | number | Node | null | undefined | false} Child
 * @typedef {Object<string, any>} Props  attributes, plus `class`, `data` (dataset), `on` (listeners) and
 *   properties of the element such as `value`, `checked`, `disabled`, `hidden`
 */

const properties = new Set(['value', 'checked', 'disabled', 'hidden', 'selected', 'tabIndex', 'open', 'indeterminate']);

/**
 * Makes an element.
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false && !properties.has(key)) continue;
    if (key === 'class') el.className = value;
    else if (key === 'data') Object.assign(el.dataset, value);
    else if (key === 'on') for (const [type, fn] of Object.entries(value)) el.addEventListener(type, fn);
    else if (properties.has(key)) el[key] = value;
    else el.setAttribute(key, value === true ? '' : String(value));
  }
  add(el, children);
  return el;
}

/**
 * Appends children; what is null or false is left out.
 * @param {Node} el
 * @param {any[]} children  also within each other
 */
export function add(el, children) {
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === false) continue;
    el.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/**
 * Puts children in the place of all that an element has.
 * @param {Element} el
 * @param {...(Child | Child[])} children
 */
export function fill(el, ...children) {
  const all = document.createDocumentFragment();
  add(all, children);
  el.replaceChildren(all);
}

/**
 * An icon is a drawing in index.html.
 * @param {string} name
 * @returns {Node}
 */
export function icon(name) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById('icon-' + name));
  return template.content.firstElementChild.cloneNode(true);
}

/**
 * A button. The title names its key, too.
 * @param {{icon?: string, text?: Child | Child[], title?: string, key?: string, class?: string, pressed?: boolean,
 *   disabled?: boolean, click: (e: MouseEvent) => void, data?: Object<string, string>}} o
 */
export function button(o) {
  const title = o.title && o.key ? `${o.title} (${o.key})` : o.title;
  return h('button', {
    type: 'button', class: o.class ?? 'button', title, 'aria-label': o.text ? undefined : o.title,
    'aria-pressed': o.pressed === undefined ? undefined : String(o.pressed), disabled: !!o.disabled,
    'aria-keyshortcuts': o.key, data: o.data, on: { click: o.click },
  }, o.icon ? icon(o.icon) : null, o.text ?? null);
}

/**
 * Runs fn once before the next frame, however often it is asked. A page that is
 * hidden has no frames.
 * @param {() => void} fn
 * @returns {() => void}
 */
export function perFrame(fn) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; fn(); });
  };
}

/**
 * Runs fn when nothing has asked for a while.
 * @template {any[]} A
 * @param {number} ms
 * @param {(...args: A) => void} fn
 * @returns {(...args: A) => void}
 */
export function debounce(ms, fn) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), ms);
  };
}
