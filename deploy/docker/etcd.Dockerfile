# etcd as Debian packages it, for docker-compose.yml. Any etcd from 3.4.25 on does.
FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends etcd-server etcd-client \
 && rm -rf /var/lib/apt/lists/*
EXPOSE 2379
ENTRYPOINT ["etcd"]
