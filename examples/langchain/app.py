"""A LangChain chain that uses the front door. OPENAI_BASE_URL points to it."""

import sys

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from openai import APIStatusError

PROMPT = "Name the topic of this message in one word: {text}"

model = ChatOpenAI(
    model="gpt-4o-mini",
    temperature=0,
    timeout=60,
    max_retries=2,
    include_response_headers=True,
    extra_body={"askonce": {"template": PROMPT}},  # the prompt itself, so that only the message is compared
)
chain = ChatPromptTemplate.from_template(PROMPT) | model
messages = ["Where is my parcel?", "I want my money back.", "Where is my parcel?"]

try:
    chain.invoke({"text": messages[0]})
    for message, reply in zip(messages, chain.batch([{"text": each} for each in messages]), strict=True):
        print(reply.response_metadata["headers"]["x-askonce-source"], "-", message, "-", reply.text)
except APIStatusError as error:
    sys.exit(f"{error.status_code}, {error.response.headers.get('x-askonce-error')}: {error.message}")
