"""The parts of the attack lab's page: the request (`form`), the job that answers it (`job_status`), and its result."""
