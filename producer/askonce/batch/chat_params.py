"""Names of chat-completion parameters, so that a misspelt one is caught before it is paid for."""

PARAMS = frozenset({
    "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "modalities", "n",
    "parallel_tool_calls", "presence_penalty", "reasoning_effort", "response_format", "seed", "service_tier", "stop",
    "stream", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
})  # fmt: skip
"""Common ones, which a short line has in `params`."""
FURTHER_PARAMS = frozenset({
    "audio", "function_call", "functions", "prediction", "prompt_cache_key", "prompt_cache_retention",
    "safety_identifier", "store", "stream_options", "web_search_options",
    "add_generation_prompt", "add_special_tokens", "allowed_token_ids", "bad_words", "best_of", "cache_salt",
    "chat_template", "chat_template_kwargs", "continue_final_message", "documents", "echo", "guided_choice",
    "guided_grammar", "guided_json", "guided_regex", "ignore_eos", "include_reasoning", "include_stop_str_in_output",
    "length_penalty", "logits_processors", "min_p", "min_tokens", "mm_processor_kwargs", "priority", "prompt_logprobs",
    "repetition_penalty", "request_id", "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids",
    "structured_outputs", "top_k", "truncate_prompt_tokens", "use_beam_search",
    "ebnf", "json_schema", "no_stop_trim", "regex", "separate_reasoning", "stop_regex", "stream_reasoning",
    "models", "plugins", "provider", "reasoning", "route", "top_a", "transforms", "usage",
    "format", "keep_alive", "num_ctx", "num_predict", "options", "repeat_last_n", "repeat_penalty", "think",
    "tfs_z", "typical_p", "cache_prompt", "grammar", "n_predict", "n_probs", "min_keep", "samplers",
    "prompt_mode", "random_seed", "safe_prompt", "cached_content", "extra_body", "safety_settings",
    "data_sources", "deferred", "disable_reasoning", "enable_search", "enable_thinking", "max_new_tokens",
    "min_new_tokens", "reasoning_format", "search_options", "search_parameters", "thinking", "thinking_budget",
    "tool_stream",
})  # fmt: skip
"""Others of OpenAI's, vLLM, SGLang, OpenRouter, Ollama, llama.cpp, Mistral, Gemini and the like."""
