-- The store, a public contract: documented with example queries in data/README.md.
-- Kept to the SQL that DuckLake runs too (no PRIMARY KEY, sequence, ENUM, ON CONFLICT): the writer guards the keys.

CREATE TABLE schema_version (version INTEGER);

-- One row a training run, or a network that was brought along (objective own); classes in the labels' order.
-- run_id = dataset-model-objective-norm-sSEED-hash8(config).
CREATE TABLE run (
    run_id VARCHAR, config JSON, classes VARCHAR[], state VARCHAR, epochs_done INTEGER,
    started_at TIMESTAMP, heartbeat_at TIMESTAMP, finished_at TIMESTAMP, wall_seconds DOUBLE,
    device VARCHAR, execution VARCHAR, data JSON, threads INTEGER, host VARCHAR, git_commit VARCHAR, versions JSON, error VARCHAR
);

-- How images are made, whatever the run; the slug is the id. The last line is NULL where it is as PGD is usually run:
-- cross entropy, no momentum, one start, steps of one size, no class of one's own choice.
CREATE TABLE condition (
    condition VARCHAR, kind VARCHAR, norm VARCHAR, epsilon DOUBLE, step_size DOUBLE, steps INTEGER,
    target_rule VARCHAR, label_rule VARCHAR,
    objective VARCHAR, momentum DOUBLE, restarts INTEGER, schedule VARCHAR, target_class INTEGER
);

-- The part a condition plays for a run; a run may be measured under any number of attacks.
CREATE TABLE run_condition (run_id VARCHAR, condition VARCHAR, role VARCHAR);

-- Stages of a run's network from the pixels on (depth 0, 1, ...); size is d of the flattened activation.
CREATE TABLE layer (run_id VARCHAR, layer VARCHAR, depth INTEGER, size INTEGER);

-- One row a trained epoch: what it trained with and what it cost: seconds of training, of them in the attack, and of the
-- measurement and the writing to the store after it.
CREATE TABLE epoch (
    run_id VARCHAR, epoch INTEGER, learning_rate DOUBLE, train_loss DOUBLE,
    train_seconds DOUBLE, measure_seconds DOUBLE, images_per_second DOUBLE, attack_seconds DOUBLE, store_seconds DOUBLE
);

-- Tall results. means_split and means_condition say whose class means were used.
CREATE TABLE metric (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR,
    means_split VARCHAR, means_condition VARCHAR, layer VARCHAR, metric VARCHAR, value DOUBLE
);

-- The same, per class.
CREATE TABLE class_metric (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR,
    means_split VARCHAR, means_condition VARCHAR, layer VARCHAR, class INTEGER, metric VARCHAR, value DOUBLE
);

-- Vectors, at the run's vector epochs. Class means are not centred.
CREATE TABLE class_mean (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR, layer VARCHAR, class INTEGER, vector FLOAT[]
);
CREATE TABLE classifier (run_id VARCHAR, epoch INTEGER, class INTEGER, vector FLOAT[], bias DOUBLE);
CREATE TABLE feature (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR,
    sample INTEGER, label INTEGER, predicted INTEGER, vector FLOAT[]
);
CREATE TABLE projection (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR, method VARCHAR,
    sample INTEGER, coordinates FLOAT[]
);

-- Clusters of (true class, predicted class); angle in radians to the clean mean of the predicted class.
CREATE TABLE leap (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR,
    true_class INTEGER, predicted_class INTEGER, count INTEGER, angle DOUBLE
);

-- Model files; path is relative to the store's folder.
CREATE TABLE checkpoint (run_id VARCHAR, epoch INTEGER, path VARCHAR, sha256 VARCHAR);

-- Attacks of the lab that were kept; key names what determines the result, content is an npz of its arrays.
CREATE TABLE lab_result (
    key VARCHAR, saved_at TIMESTAMP, title VARCHAR, request JSON, summary JSON, content BLOB
);

-- For people who query by hand: metrics around their own means, with the run's main fields and the condition's role.
CREATE VIEW measurement AS
SELECT
    m.run_id,
    r.config ->> '$.dataset' AS dataset,
    r.config ->> '$.model' AS model,
    r.config ->> '$.objective' AS objective,
    r.config ->> '$.norm' AS norm,
    CAST(r.config ->> '$.epsilon' AS DOUBLE) AS epsilon,
    CAST(r.config ->> '$.seed' AS INTEGER) AS seed,
    m.epoch, m.split, rc.role, m.condition, m.layer, m.metric, m.value
FROM metric AS m
JOIN run AS r ON r.run_id = m.run_id
JOIN run_condition AS rc ON rc.run_id = m.run_id AND rc.condition = m.condition
WHERE m.means_split = m.split AND m.means_condition = m.condition;
