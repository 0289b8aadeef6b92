"""An application on LangChain that knows nothing of askonce: `OPENAI_BASE_URL` leads it there. Prints what it got."""

import json

import openai
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

ASKED = "What is a monad?"


@tool
def f() -> str:
    """Does nothing."""
    return ""


chat = ChatOpenAI(model="m", temperature=0)
embeddings = OpenAIEmbeddings(model="e", check_embedding_ctx_length=False)  # its tokenizer is fetched from the network
answer = chat.invoke(ASKED)
found = {
    "answer": answer.text,
    "tokens": answer.usage_metadata["total_tokens"] > 0,
    "stream": "".join(chunk.text for chunk in chat.stream(ASKED)),
    "tool": [call["name"] for call in chat.bind_tools([f]).invoke("call tools").tool_calls],
    "response": ChatOpenAI(model="m", use_responses_api=True).invoke(ASKED).text,
    "vectors": [len(each) for each in embeddings.embed_documents(["a", "b"])],
}
try:
    ChatOpenAI(model="m", max_retries=0).invoke("bad request")
except openai.BadRequestError as error:
    found["error"] = error.body["message"]
print(json.dumps(found))
