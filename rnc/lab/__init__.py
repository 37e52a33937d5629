"""The attack lab: attack some images with a stored network, in a separate process, and inspect the result on a page.

Nothing here imports torch. The dashboard's server has one `job_queue.JobQueue`, which hands requests to one worker process
(`worker_process`, running `python -m rnc.lab.engine.worker`); `kinds` lists the kinds of request and of result.
"""
