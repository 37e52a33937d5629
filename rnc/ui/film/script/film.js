/** A film: the states of a run's samples, and their interpolation at any epoch and any strength of the attack. */

export class Film {
  /** `states` is the content of the file of states; a view is added by `setView`. */
  constructor(states, label) {
    this.states = states;
    this.label = label;
    this.count = states.arrays.samples.length;
    this.epochs = states.epochs;
    this.offsets = [];
    let offset = 0;
    for (const steps of states.steps) {
      this.offsets.push(offset);
      offset += steps.length;
    }
    this.shares = states.steps.map((steps) => steps.map((step) => (step + 1) / (states.last_step + 1)));
    this.view = null;
    this.positions = new Float32Array(3 * this.count);
  }

  /** Show the content of a view's file; epochs at which no sample has a position are skipped. */
  setView(view) {
    this.view = view;
    const size = this.count * view.dimensions, all = view.arrays.positions;
    this.known = [];
    for (let epoch = 0; epoch < this.epochs.length; epoch++) {
      const begin = this.offsets[epoch] * size;
      for (let i = begin; i < begin + size; i++) {
        if (all[i] === all[i]) {
          this.known.push(epoch);
          break;
        }
      }
    }
  }

  /** Return the states that lie around an epoch and a share of the attack, with weights that sum to 1. */
  around(epoch, share, isLogarithmic) {
    const known = this.known ?? this.epochs.map((_, i) => i);
    const scale = (value) => (isLogarithmic ? Math.log(value + 1) : value);
    let next = known.findIndex((i) => this.epochs[i] >= epoch);
    if (next < 0) next = known.length - 1;
    const last = this.epochs[known[next]] > epoch ? Math.max(next - 1, 0) : next;
    const [begin, end] = [this.epochs[known[last]], this.epochs[known[next]]].map(scale);
    const part = end > begin ? Math.min(Math.max((scale(epoch) - begin) / (end - begin), 0), 1) : 0;
    const weighted = [];
    for (const [position, weight] of [[last, 1 - part], [next, part]]) {
      if (weight > 0) weighted.push(...this.#steps(known[position], share, weight));
    }
    return weighted;
  }

  #steps(epoch, share, weight) {
    const shares = this.shares[epoch];
    let next = shares.findIndex((value) => value >= share);
    if (next < 0) next = shares.length - 1;
    const last = shares[next] > share ? Math.max(next - 1, 0) : next;
    const part = shares[next] > shares[last] ? (share - shares[last]) / (shares[next] - shares[last]) : 0;
    const found = [];
    if (part < 1) found.push({ epoch, state: this.offsets[epoch] + last, weight: weight * (1 - part) });
    if (part > 0) found.push({ epoch, state: this.offsets[epoch] + next, weight: weight * part });
    return found;
  }

  /** Return the positions (3 numbers a sample; NaN for those not shown) at an epoch and a share; the array is used again. */
  positionsAt(epoch, share, isLogarithmic, out = this.positions) {
    const { dimensions, arrays } = this.view, all = arrays.positions;
    out.fill(0);
    for (const { state, weight } of this.around(epoch, share, isLogarithmic)) {
      let at = state * this.count * dimensions;
      if (dimensions === 2) {
        for (let i = 0; i < out.length; i += 3) {
          out[i] += weight * all[at++];
          out[i + 1] += weight * all[at++];
        }
      } else {
        for (let i = 0; i < out.length; i++) out[i] += weight * all[at++];
      }
    }
    return out;
  }

  /** Write the position of one sample into the first three numbers of `out`. */
  pointAt(index, epoch, share, isLogarithmic, out) {
    const { dimensions, arrays } = this.view;
    out.fill(0, 0, 3);
    for (const { state, weight } of this.around(epoch, share, isLogarithmic)) {
      const at = (state * this.count + index) * dimensions;
      for (let d = 0; d < dimensions; d++) out[d] += weight * arrays.positions[at + d];
    }
    return out;
  }

  /** Return a value of every sample (margin, loss, confidence), interpolated likewise. */
  valuesAt(name, epoch, share, isLogarithmic, out) {
    const all = this.states.arrays[name];
    out.fill(0);
    for (const { state, weight } of this.around(epoch, share, isLogarithmic)) {
      const at = state * this.count;
      for (let i = 0; i < this.count; i++) out[i] += weight * all[at + i];
    }
    return out;
  }

  /** Return the state that is nearest to an epoch and a share of the attack. */
  nearest(epoch, share, isLogarithmic) {
    return this.around(epoch, share, isLogarithmic).reduce((a, b) => (b.weight > a.weight ? b : a));
  }

  /** Return the predicted classes in the nearest state. */
  predictedAt(epoch, share, isLogarithmic) {
    const begin = this.nearest(epoch, share, isLogarithmic).state * this.count;
    return this.states.arrays.predicted.subarray(begin, begin + this.count);
  }

  /** Return class means, classifier rows and ideal vertices at an epoch and a share; NaN for those not stored. */
  classesAt(epoch, share, isLogarithmic) {
    const { means, rows, ideal } = this.view.arrays, k = this.view.dimensions;
    const count = means.shape[2], corners = ideal.shape[1];
    const sum = { means: zeros(count), rows: zeros(count), ideal: zeros(corners) };
    if (!this.hasCondition(epoch, isLogarithmic)) share = 0;
    for (const { epoch: e, weight } of this.around(epoch, 0, isLogarithmic)) {
      for (let c = 0; c < count; c++) {
        for (let d = 0; d < k; d++) {
          const clean = means[((e * 2) * count + c) * k + d], perturbed = means[((e * 2 + 1) * count + c) * k + d];
          sum.means[c][d] += weight * (Number.isNaN(perturbed) ? clean : clean + share * (perturbed - clean));
          sum.rows[c][d] += weight * rows[(e * count + c) * k + d];
        }
      }
      for (let v = 0; v < corners; v++) {
        for (let d = 0; d < k; d++) sum.ideal[v][d] += weight * ideal[(e * corners + v) * k + d];
      }
    }
    return sum;
  }

  /** Return the shares of the attack that are stored at the epoch nearest to this one. */
  sharesAt(epoch, isLogarithmic) {
    return this.shares[this.nearest(epoch, 0, isLogarithmic).epoch];
  }

  /** Return whether features under the film's condition are stored at the epochs around this one. */
  hasCondition(epoch, isLogarithmic) {
    return this.around(epoch, 0, isLogarithmic).every(({ epoch: e }) => this.shares[e].at(-1) === 1);
  }

  /** Say how samples and class means move between clean and perturbed at an epoch. */
  describeBetween(epoch, isLogarithmic) {
    if (!this.hasCondition(epoch, isLogarithmic)) return `No features under ${this.states.condition_in_words} are stored here.`;
    if (this.view?.view === "umap") return "UMAP has no positions between clean and perturbed: samples move on straight lines.";
    if (this.around(epoch, 0, isLogarithmic).every(({ epoch: e }) => this.shares[e].length > 2)) {
      return "Class means move on straight lines from clean to perturbed, samples along the attack's path.";
    }
    return "Features between clean and perturbed are not stored here: samples move on straight lines, and not on the path of an attack.";
  }
}

function zeros(count) {
  return Array.from({ length: count }, () => [0, 0, 0]);
}
