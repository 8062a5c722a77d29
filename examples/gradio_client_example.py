"""Ask, search, verify and list documents through Gradio's API. See README.md here for the address and password."""

import base64
import os
import sys

from gradio_client import Client

address = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ADDRESS", "http://127.0.0.1:7860")
credentials = os.environ.get("CREDENTIALS")
headers = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"} if credentials else {}
client = Client(address, headers=headers, verbose=False, analytics_enabled=False)

answer = client.predict(question="柳州的四大定位是什么", api_name="/ask")
for sentence in answer["sentences"]:
    print(sentence["text"], *(f"[{marker}]" for marker in sentence["markers"]))
for citation in answer["citations"]:
    print(
        f"[{citation['marker']}] {citation['title']}, paragraph {citation['place']['paragraph']}: {citation['quote']}"
    )

turns = [{"question": answer["question"], "answer": answer["text"]}]
print("Follow-up:", client.predict(question="那两个生态呢", history=turns, api_name="/ask")["query"])

hits = client.predict(query="人形机器人", k=2, api_name="/search")["hits"]
print("Search:", *(f"{hit['rank']}. {hit['text'][:30]}…" for hit in hits))

text = "6月25日，陈刚在柳州市主持召开会议。6月26日，陈刚在柳州市主持召开会议。"
for claim in client.predict(text=text, api_name="/verify")["claims"]:
    print(f"{claim['verdict']}: {claim['text']}", *(fault["message"] for fault in claim["faults"]))

print("Documents:", *(document["title"] for document in client.predict(api_name="/documents")["documents"]))
