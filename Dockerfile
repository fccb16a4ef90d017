# The annals server. How to run it: docs/operating/containers.md

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package annals

FROM debian:bookworm-slim
# Certificate authorities, for TLS to the database and the mail server.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 999 --home-dir /var/lib/annals --shell /usr/sbin/nologin annals \
    && install -d -m 700 -o annals -g annals /var/lib/annals
COPY --from=build /src/target/release/annals /usr/local/bin/annals

USER 999
ENV ANNALS_LISTEN=0.0.0.0:8080 ANNALS_STORE=/var/lib/annals/store ANNALS_ARCHIVES=/var/lib/annals/archives
VOLUME /var/lib/annals
EXPOSE 8080
# annals finishes requests for up to 30 seconds after this signal.
STOPSIGNAL SIGTERM
ENTRYPOINT ["annals"]
CMD ["serve"]
