-- The tables of the store: a public contract, documented with example queries in data/README.md.
-- Only SQL that DuckLake runs too (no PRIMARY KEY, sequence, ENUM, ON CONFLICT); the writer keeps the keys unique.

CREATE TABLE schema_version (version INTEGER);

-- One row per training run, or per external network of the user (objective 'own'); classes in the order of the labels.
-- run_id = dataset-model-objective-norm-sSEED-hash8(config).
CREATE TABLE run (
    run_id VARCHAR, config JSON, classes VARCHAR[], state VARCHAR, epochs_done INTEGER,
    started_at TIMESTAMP, heartbeat_at TIMESTAMP, finished_at TIMESTAMP, wall_seconds DOUBLE,
    device VARCHAR, execution VARCHAR, data JSON, threads INTEGER, host VARCHAR, git_commit VARCHAR, versions JSON, error VARCHAR
);

-- How images are perturbed, independent of runs; the slug is the id. The columns of the last line are NULL for the usual PGD:
-- cross entropy, no momentum, one start, steps of one size, no chosen target class.
CREATE TABLE condition (
    condition VARCHAR, kind VARCHAR, norm VARCHAR, epsilon DOUBLE, step_size DOUBLE, steps INTEGER,
    target_rule VARCHAR, label_rule VARCHAR,
    objective VARCHAR, momentum DOUBLE, restarts INTEGER, schedule VARCHAR, target_class INTEGER
);

-- The role of a condition in a run; a run may be measured under any number of attacks.
CREATE TABLE run_condition (run_id VARCHAR, condition VARCHAR, role VARCHAR);

-- Stages of a run's network, from the pixels (depth 0) to the features; size is that of the flattened activation.
CREATE TABLE layer (run_id VARCHAR, layer VARCHAR, depth INTEGER, size INTEGER);

-- One row per trained epoch: learning rate, loss and cost. attack_seconds is a part of train_seconds; the measurement and the
-- writing to the store come after the training.
CREATE TABLE epoch (
    run_id VARCHAR, epoch INTEGER, learning_rate DOUBLE, train_loss DOUBLE,
    train_seconds DOUBLE, measure_seconds DOUBLE, images_per_second DOUBLE, attack_seconds DOUBLE, store_seconds DOUBLE
);

-- Results, one number per row. means_split and means_condition name the images whose class means were used.
CREATE TABLE metric (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR,
    means_split VARCHAR, means_condition VARCHAR, layer VARCHAR, metric VARCHAR, value DOUBLE
);

-- The same, per class.
CREATE TABLE class_metric (
    run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR,
    means_split VARCHAR, means_condition VARCHAR, layer VARCHAR, class INTEGER, metric VARCHAR, value DOUBLE
);

-- Vectors, at the epochs for which the run stores them (--vector-epochs). Class means are not centred.
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

-- The user's tags and note of a run, at most one row per run; kept when the run is trained again. archived_at (UTC) is NULL
-- unless the run is archived.
CREATE TABLE run_mark (run_id VARCHAR, tags VARCHAR[], note VARCHAR, archived_at TIMESTAMP);

-- Saved results of the attack lab; key is made of all that determines the result, content is an npz file of its arrays.
CREATE TABLE lab_result (
    key VARCHAR, saved_at TIMESTAMP, title VARCHAR, request JSON, summary JSON, content BLOB
);

-- For queries by hand: metrics around the class means of the same images, with the run's main fields and the condition's role.
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
