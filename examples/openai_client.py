"""Ask with OpenAI's client, whole and streamed. See README.md here for the address and password."""

import base64
import os
import sys

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

address = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ADDRESS", "http://127.0.0.1:7860")
key = base64.b64encode(os.environ.get("CREDENTIALS", "none").encode()).decode()
client = OpenAI(base_url=f"{address.rstrip('/')}/v1", api_key=key)

messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "柳州的四大定位是什么"}]
completion = client.chat.completions.create(model="cited-answers", messages=messages)
message = completion.choices[0].message
print(message.content)
# What OpenAI's format has no field for stands beside it.
for citation in (message.model_extra or {})["citations"]:
    print(f"[{citation['marker']}] characters {citation['start']} to {citation['end']} of {citation['document_id']}")
print("Verdict:", (completion.model_extra or {})["answer"]["verdict"])

messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": "那两个生态呢"}]
for chunk in client.chat.completions.create(model="cited-answers", messages=messages, stream=True):
    delta = chunk.choices[0].delta
    print(delta.content or "", end="", flush=True)
print()
