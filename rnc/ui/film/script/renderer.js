/** Drawing of samples as discs: by WebGL2, in hardware or software, or on a plain canvas where there is none. */

const VERTEX = `#version 300 es
in vec3 position;
in vec4 colour;
in float size;
uniform mat3 turn;
uniform vec3 centre;
uniform vec2 half_size, shift;
out vec4 shade;
void main() {
  vec3 at = turn * (position - centre);
  bool missing = isnan(position.x) || isnan(position.y);
  gl_Position = missing ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((at.xy + shift) / half_size, clamp(-at.z / 20000.0, -1.0, 1.0), 1.0);
  gl_PointSize = size;
  shade = colour;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 shade;
out vec4 colour;
void main() {
  float radius = length(2.0 * gl_PointCoord - 1.0);
  float alpha = shade.a * (1.0 - smoothstep(0.78, 1.0, radius));
  if (alpha < 0.02) discard;
  colour = vec4(shade.rgb * alpha, alpha);
}`;

/** Return a renderer for a canvas: `draw(positions, colours, sizes, camera, ratio)`. */
export function createRenderer(canvas, isPlain = false) {
  const gl = isPlain ? null : canvas.getContext("webgl2", { premultipliedAlpha: true, antialias: false, depth: false });
  return gl ? new WebGLRenderer(gl) : new CanvasRenderer(canvas.getContext("2d", { willReadFrequently: true }));
}

class WebGLRenderer {
  kind = "webgl2";

  constructor(gl) {
    this.gl = gl;
    const program = (this.program = gl.createProgram());
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.buffers = {};
    for (const [name, count, type, normalised] of [["position", 3, gl.FLOAT, false], ["colour", 4, gl.UNSIGNED_BYTE, true], ["size", 1, gl.FLOAT, false]]) {
      const at = gl.getAttribLocation(program, name);
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, count, type, normalised, 0, 0);
    }
    this.uniforms = Object.fromEntries(["turn", "centre", "half_size", "shift"].map((name) => [name, gl.getUniformLocation(program, name)]));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  draw(positions, colours, sizes, camera, ratio) {
    const { gl, buffers, uniforms } = this;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    for (const [name, data] of [["position", positions], ["colour", colours], ["size", sizes]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
    }
    const m = camera.matrix;
    gl.uniformMatrix3fv(uniforms.turn, true, m);
    gl.uniform3fv(uniforms.centre, camera.centre);
    gl.uniform2f(uniforms.half_size, camera.size[0] / 2, camera.size[1] / 2);
    gl.uniform2f(uniforms.shift, camera.shift[0], -camera.shift[1]);
    gl.drawArrays(gl.POINTS, 0, sizes.length);
  }
}

class CanvasRenderer {
  kind = "canvas";

  constructor(context) {
    this.context = context;
  }

  draw(positions, colours, sizes, camera, ratio) {
    const { context } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, camera.size[0], camera.size[1]);
    for (let i = 0; i < sizes.length; i++) {
      const [x, y] = camera.project([positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]]);
      if (Number.isNaN(x)) continue;
      context.fillStyle = `rgba(${colours[4 * i]},${colours[4 * i + 1]},${colours[4 * i + 2]},${colours[4 * i + 3] / 255})`;
      context.beginPath();
      context.arc(x, y, sizes[i] / ratio / 2.3, 0, 2 * Math.PI);
      context.fill();
    }
  }
}
