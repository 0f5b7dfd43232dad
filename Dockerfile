# `emotion serve` as an ordinary user who can write nothing. docs/use.md says how to run it.
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/var/cache

WORKDIR /source
COPY LICENSE README.md pyproject.toml requirements.txt ./
COPY emotion emotion

# The pinned versions, without what training takes; and the face detector, in a cache that every user can read.
RUN sed '/--hash/d; s/ *\\$//' requirements.txt > /tmp/versions.txt \
    && pip install --constraint /tmp/versions.txt '.[app,heif]' \
    && emotion fetch \
    && chmod -R a+rX /var/cache/emotion \
    && rm -r /source/* /tmp/versions.txt

WORKDIR /
USER 10001:10001
EXPOSE 8000

# Over plain HTTP: a reverse proxy in front has the certificate.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

ENTRYPOINT ["emotion"]
CMD ["serve", "--host", "0.0.0.0"]
