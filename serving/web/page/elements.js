// Elements made by name, attributes and content. Text is only ever text: no HTML is parsed.

const SVG = "http://www.w3.org/2000/svg";

export function byId(id) {
  return document.getElementById(id);
}

export function html(name, attributes = {}, ...content) {
  return filled(document.createElement(name), attributes, content);
}

export function svg(name, attributes = {}, ...content) {
  return filled(document.createElementNS(SVG, name), attributes, content);
}

function filled(element, attributes, content) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...content);
  return element;
}

const NUM_LOOKS = 4;

export function trackClass(number) {
  return `track-${number % NUM_LOOKS}`;
}

// A face has a shape besides its colour.
export function mark(number, x, y, size = 4.5) {
  const at = (...points) => points.map(([dx, dy]) => `${x + dx * size},${y + dy * size}`).join(" ");
  const shapes = [
    () => svg("circle", { cx: x, cy: y, r: size }),
    () => svg("polygon", { points: at([-1, -1], [1, -1], [1, 1], [-1, 1]) }),
    () => svg("polygon", { points: at([0, -1.3], [1.2, 1], [-1.2, 1]) }),
    () => svg("polygon", { points: at([0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]) }),
  ];
  const shape = shapes[number % NUM_LOOKS]();
  shape.setAttribute("class", "mark");
  return shape;
}

// Draws now, and again whenever the place's width changes; returns what ends that.
export function drawToWidth(place, draw) {
  let width = 0;
  const observer = new ResizeObserver(() => {
    if (place.clientWidth === width || place.clientWidth === 0) return;
    width = place.clientWidth;
    place.replaceChildren(...draw(width));
  });
  observer.observe(place);
  return () => observer.disconnect();
}
