# The page, the binary with the page in it, and an image that holds nothing else.
# deploy/prove.sh carries out these steps without a container engine.

FROM node:20-bookworm-slim AS page
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-fund --no-audit
COPY web ./
RUN npm run build

FROM golang:1.26-bookworm AS binary
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY internal internal
COPY web/embed.go web/
COPY --from=page /src/web/dist web/dist
# What /api/version says: docker build --build-arg VERSION="$(git describe --tags --always)".
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X pryde/internal/app.version=$VERSION" -o out/pryde ./cmd/pryde && mkdir out/data
# What a client of TLS believes in; the binary needs nothing else from a system.
RUN cp /etc/ssl/certs/ca-certificates.crt out/

FROM scratch
COPY --from=binary /src/out/ca-certificates.crt /etc/ssl/certs/
COPY --from=binary /src/out/pryde /pryde
COPY --from=binary --chown=65532:65532 /src/out/data /data
ENV APP_ENV=production DATA_DIR=/data PORT=9000
USER 65532:65532
VOLUME /data
EXPOSE 9000
ENTRYPOINT ["/pryde"]
