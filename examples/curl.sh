#!/bin/sh
# Ask with nothing but curl. See README.md here for the address and password.
set -eu
address=${1:-${ADDRESS:-http://127.0.0.1:7860}}
address=${address%/}

ask() {
    curl --silent --show-error --fail ${CREDENTIALS:+--user "$CREDENTIALS"} --header 'Content-Type: application/json' "$@"
}

# Gradio's API: the first request takes the question, the second one waits for the answer.
event=$(ask "$address/gradio_api/call/v2/ask" --data '{"question": "柳州的四大定位是什么"}' |
    sed 's/.*"event_id": *"\([^"]*\)".*/\1/')
ask --no-buffer "$address/gradio_api/call/ask/$event"

# The chat API: one request.
ask "$address/v1/chat/completions" --data '{
    "model": "cited-answers",
    "messages": [{"role": "user", "content": "会议是哪一天召开的"}]
}'
echo
