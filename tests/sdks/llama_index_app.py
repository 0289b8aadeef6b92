"""An application on LlamaIndex that knows nothing of askonce: `OPENAI_API_BASE` leads it there. Prints what it got."""

import json

import openai
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses

ASKED = "What is a monad?"


def f() -> str:
    """Does nothing."""
    return ""


llm = OpenAI(model="gpt-4o-mini", temperature=0, max_retries=0)
called = llm.chat_with_tools([FunctionTool.from_defaults(f)], user_msg="call tools")
found = {
    "answer": llm.complete(ASKED).text,
    "stream": "".join(part.delta for part in llm.stream_complete(ASKED)),
    "tool": [call.tool_name for call in llm.get_tool_calls_from_response(called)],
    "response": OpenAIResponses(model="gpt-4o-mini").complete(ASKED).text,
    "vectors": [len(each) for each in OpenAIEmbedding(model_name="e").get_text_embedding_batch(["a", "b"])],
}
try:
    llm.complete("bad request")
except openai.BadRequestError as error:
    found["error"] = error.body["message"]
print(json.dumps(found))
