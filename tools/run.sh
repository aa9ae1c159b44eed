#!/bin/sh
# Serves on 127.0.0.1:8080 and prints three lines to try.
set -eu
cd "$(dirname "$0")/.."
listen=${TRIBUTARY_LISTEN:-127.0.0.1:8080}
data=${TRIBUTARY_DATA_DIR:-data}
cat <<TEXT

Three lines to try, in another terminal: a destination, an event, and where it went.

  curl -s http://$listen/api/v1/destinations -H 'Content-Type: application/json' -d '{"name":"first","type":"file"}'
  curl -s http://$listen/v1/track -u demo: -d '{"userId":"u1","event":"Order Completed","messageId":"m1","properties":{"total":40}}'
  curl -s http://$listen/api/v1/events/m1; echo; cat $data/files/first.ndjson

TEXT
exec build/tributary serve --listen "$listen" --data-dir "$data" "$@"
