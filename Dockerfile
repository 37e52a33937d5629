# A public, read-only dashboard on a bundle of published runs (python -m rnc.store.export), on CPUs, not as root.
#
#   docker build -t rnc .
#   docker run --rm -p 8501:8501 -v "$PWD/bundle:/bundle:ro" rnc
#
# Without a bundle of one's own it shows the gallery that comes with the project.
FROM python:3.11-slim

RUN pip install --no-cache-dir uv && useradd --create-home --uid 10001 rnc
WORKDIR /app
COPY requirements.txt ./
# PyTorch's CPU builds: the registry's own are CUDA builds, five times as large.
RUN uv pip install --system --no-cache torch torchvision --index-url https://download.pytorch.org/whl/cpu \
 && uv pip install --system --no-cache -r requirements.txt
COPY app.py LICENSE ./
COPY .streamlit .streamlit
COPY pages pages
COPY rnc rnc
COPY data/gallery /bundle

# numba, under UMAP, and torch keep compiled code: in the user's own folder, whatever the image is mounted as.
ENV RNC_STORE=/bundle RNC_READONLY=1 RNC_GALLERY= OMP_NUM_THREADS=1 HOME=/home/rnc NUMBA_CACHE_DIR=/tmp/numba
USER rnc
EXPOSE 8501
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8501/_stcore/health')"]
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.fileWatcherType=none"]
