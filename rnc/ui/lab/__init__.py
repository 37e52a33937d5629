"""The attack lab's page in parts: what is asked for (`form`), the job that answers it (`job_status`), and its result."""
