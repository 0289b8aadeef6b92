"""The guard's rules: which two questions may share an answer."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from askonce_worker.matching.match import conflict, conflicts, effective_threshold

APART = [
    # numbers, versions, years
    ("numbers", "Where is my parcel 48213?", "Where is my parcel 48214?"),
    ("numbers", "What changed in Python 3.10?", "What changed in Python 3.11?"),
    ("numbers", "Plan a trip of two weeks", "Plan a trip of three weeks"),
    ("numbers", "Who won the cup in 2018?", "Who won the cup in 2022?"),
    ("numbers", "Is 1,000 rows a lot?", "Is 10,000 rows a lot?"),
    ("numbers", "Who came first in the race?", "Who came second in the race?"),
    ("numbers", "四个月的猫打什么疫苗", "六个月的猫打什么疫苗"),
    ("numbers", "第三章讲了什么", "第五章讲了什么"),
    ("numbers", "二十公里要走多久", "三十公里要走多久"),
    ("numbers", "What is -5 times 3?", "What is 5 times 3?"),
    ("numbers", "Who is agent 007?", "Who is agent 7?"),
    # units
    ("unit", "How long does it take to run 5 km?", "How long does it take to run 5 miles?"),
    ("unit", "Is 5kg of flour enough?", "Is 5 g of flour enough?"),
    ("unit", "10元能买什么", "10美元能买什么"),
    ("unit", "3岁的狗吃什么", "3个月的狗吃什么"),
    ("unit", "三岁的狗吃什么", "三个月的狗吃什么"),
    ("unit", "3月的天气", "3个月的天气"),
    ("unit", "What can I buy for €20?", "What can I buy for £20?"),
    ("unit", "Is ₩900 a fair tip?", "Is 900₽ a fair tip?"),
    ("unit", "Is a tip of $ 20 enough?", "Is a tip of 20 euros enough?"),
    ("unit", "Raise my rent by 10%", "Raise my rent by 10"),
    ("unit", "房租涨了15％", "房租涨了15"),
    ("unit", "Plan a trip of three weeks", "Plan a trip of three months"),
    # negation
    ("negation", "Which plants grow in the shade?", "Which plants do not grow in the shade?"),
    ("negation", "Can I log in with a password?", "Can I log in without a password?"),
    ("negation", "Why do cats like boxes?", "Why don't cats like boxes?"),
    ("negation", "How do I cope with not sleeping?", "How do I cope with sleeping?"),
    ("negation", "The lesson is hard", "The lesson is not hard"),
    ("negation", "Will I miss the ferry?", "Will I not miss the ferry?"),
    ("negation", "Thé avec lait", "Thé sans lait"),
    ("negation", "哪些水果可以放冰箱", "哪些水果不可以放冰箱"),
    ("negation", "为什么打印机有墨", "为什么打印机没有墨"),
    # opposites
    ("opposite", "How do I install numpy?", "How do I uninstall numpy?"),
    ("opposite", "Enabling dark mode on my laptop", "Disabling dark mode on my laptop"),
    ("opposite", "What is the minimum salary here?", "What is the maximum salary here?"),
    ("kind", "Should I eat before running?", "Should I eat after running?"),
    ("opposite", "如何开启夜间模式", "如何关闭夜间模式"),
    ("opposite", "怎么把表格导入系统", "怎么把表格导出系统"),
    ("opposite", "男生穿什么颜色好看", "女生穿什么颜色好看"),
    ("opposite", "How do I grant access to a folder?", "How do I revoke access to a folder?"),
    ("opposite", "a careful driver", "a careless driver"),
    ("opposite", "Where do I get legal advice?", "Where do I get illegal advice?"),
    ("opposite", "How do I treat hypothermia?", "How do I treat hyperthermia?"),
    ("opposite", "Is it an interstate road?", "Is it an intrastate road?"),
    ("opposite", "prepaid sim", "postpaid sim"),
    ("opposite", "Is the shape symmetric?", "Is the shape asymmetric?"),
    ("opposite", "Is my flat overvalued?", "Is my flat undervalued?"),
    ("opposite", "What is a fixed tariff?", "What is a variable tariff?"),
    ("opposite", "Who pays for paternity pay?", "Who pays for maternity pay?"),
    ("opposite", "怎么开通短信提醒", "怎么取消短信提醒"),
    ("opposite", "可以提前交货吗", "可以延期交货吗"),
    ("opposite", "How do I pin a tab?", "How do I unpin a tab?"),
    ("opposite", "Registering a car", "Deregistering a car"),
    ("opposite", "How do I archive a project?", "How do I unarchive a project?"),
    ("opposite", "How do I activate the card?", "How do I reactivate the card?"),
    ("opposite", "How do I plug in the lamp?", "How do I unplug the lamp?"),
    ("opposite", "How to zoom in?", "How to zoom out?"),
    ("opposite", "How do I log in to the shop?", "How do I log out of the shop?"),
    ("opposite", "Can I check in online?", "Can I check out online?"),
    ("opposite", "怎么静音", "怎么取消静音"),
    ("opposite", "怎么静音", "怎么解除静音"),
    ("opposite", "怎么登录邮箱", "怎么退出登录邮箱"),
    ("opposite", "如何备份相册", "如何恢复相册"),
    ("opposite", "出库怎么做", "入库怎么做"),
    ("opposite", "如何启动服务", "如何重启服务"),
    ("opposite", "怎么挂载磁盘", "怎么卸载磁盘"),
    ("opposite", "怎么加入黑名单", "怎么移出黑名单"),
    ("opposite", "怎么开户", "怎么销户"),
    ("opposite", "入职手续", "离职手续"),
    ("opposite", "怎么申请信用卡", "怎么注销信用卡"),
    ("opposite", "高血压能喝酒吗", "低血压能喝酒吗"),
    ("opposite", "怎么拉黑好友", "怎么添加好友"),
    # kinds
    ("kind", "How do I sort a list in java?", "How do I sort a list in rust?"),
    ("kind", "are you open on monday", "are you open on friday"),
    ("kind", "translate cheese to french", "translate cheese to german"),
    ("kind", "北京明天下雨吗", "上海明天下雨吗"),
    ("kind", "用 pandas 怎么求平均值", "用 numpy 怎么求平均值"),
    # quotes and identifiers
    ("kind", "What are the side effects of ibuprofen?", "What are the side effects of paracetamol?"),
    ("kind", "怎么去除金属上的胶", "怎么去除玻璃上的胶"),
    ("quoted", 'Translate "hello" to Welsh', 'Translate "goodbye" to Welsh'),
    ("quoted", "请解释「落花」的意思", "请解释「流水」的意思"),
    ("quoted", "《山中来信》的作者是谁", "《海边来信》的作者是谁"),
    ("identifier", "What does read_rows return?", "What does read_cols return?"),
    ("identifier", "Explain getUser", "Explain getOrder"),
    ("identifier", "Does pip know --force?", "Does pip know --upgrade?"),
    ("identifier", "Summarise report.txt", "Summarise notes.txt"),
    ("identifier", "Is a@example.org subscribed?", "Is b@example.org subscribed?"),
    ("identifier", "What is https://example.org/a about?", "What is https://example.org/b about?"),
    ("identifier", "read /etc/hosts for me", "read /etc/passwd for me"),
    ("identifier", "What does ls -l do?", "What does ls -a do?"),
    ("identifier", "What does rm -r do?", "What does rm -R do?"),
    ("identifier", "How do I use grep -v?", "How do I use grep -V?"),
    ("identifier", "What does \\d mean in a regex?", "What does \\D mean in a regex?"),
    ("identifier", "What does map() do?", "What does filter() do?"),
    # names
    ("name", "What is the weather like in Lisbon?", "What is the weather like in Porto?"),
    ("name", "How do I open a bakery?", "How do I open a bakery in Lisbon?"),
    # what is asked for
    ("asked_for", "Why do planes fly?", "When do planes fly?"),
    ("asked_for", "Should I renew my passport?", "How do I renew my passport?"),
    ("asked_for", "这台烤箱怎么用", "这台烤箱怎么样"),
    # direction
    ("order", "Convert yaml to json", "Convert json to yaml"),
    ("order", "Trains from Rome to Oslo", "Trains from Oslo to Rome"),
    ("order", "Is Ann taller than Bob?", "Is Bob taller than Ann?"),
    ("order", "从西安到兰州的车票", "从兰州到西安的车票"),
    ("order", "把文字转换成语音", "把语音转换成文字"),
    ("order", "爷爷的爸爸怎么称呼", "爸爸的爷爷怎么称呼"),
    ("order", "How do I copy files from S3 to EC2?", "How do I copy files from EC2 to S3?"),
    ("order", "从 3.9 升级到 3.10", "从 3.10 升级到 3.9"),
    ("order", "How do I migrate from Django 3 to 4?", "How do I migrate from Django 4 to 3?"),
    ("order", "Python 3.9 to 3.10", "Python 3.10 to 3.9"),
    ("marks", "5 > 3 对吗", "3 > 5 对吗"),
    ("order", "10除以2等于多少", "2除以10等于多少"),
    ("order", "What is 7 minus 3?", "What is 3 minus 7?"),
    ("order", "What is 10 percent of 50?", "What is 50 percent of 10?"),
    ("order", "What happened on 2024-01-02?", "What happened on 2024-02-01?"),
    ("order", "Did Ann pay Bob?", "Did Bob pay Ann?"),
    ("order", "Ann paid Bob how much", "Bob paid Ann how much"),
    ("marks", "What does a > b mean?", "What does a < b mean?"),
    ("marks", "What does == do?", "What does === do?"),
    ("marks", "2+3=?", "2*3=?"),
]

TOGETHER = [
    ("How can I reset my password?", "How do I reset my password?"),
    ("What's a tuple?", "What is a tuple?"),
    ("What is the difference between lists and tuples?", "What is the difference between tuples and lists?"),
    ("Could you help me install numpy?", "How do I install numpy?"),
    ("Reading a CSV file", "How do I read CSV files?"),
    ("Where is my parcel?", "where's my parcel"),
    # numbers
    ("Wait one month", "wait 1 month"),
    ("Wait a month", "Wait one month"),
    ("I have 1,000 rows", "I have 1000 rows"),
    ("What are the top 10 beaches?", "What are the best beaches?"),
    ("第二季什么时候播出", "第2季什么时候播出"),
    ("给我讲一下递归", "讲讲递归"),
    ("What is 3 and 7?", "What is 7 and 3?"),
    ("What happened on 2 Jan 2024?", "What happened on Jan 2, 2024?"),
    # negation that denies nothing
    ("Isn't it possible to pay by card?", "Is it possible to pay by card?"),
    ("Is tea healthy or not?", "Is tea healthy?"),
    ("Tea is healthy, isn't it?", "Tea is healthy?"),
    ("Can't I pay by card?", "Can I pay by card?"),
    ("能不能用信用卡付款", "可以用信用卡付款吗"),
    ("是不是要先注册", "需要先注册吗"),
    ("有没有简单的教程", "求简单的教程"),
    ("区别在哪里", "不同在哪里"),
    # both sides of an opposition, in both
    ("Should I rent or buy, and sell later?", "Should I buy or rent, and sell later?"),
    ("Can I un-merge two lists?", "Can I unmerge two lists?"),
    # names by other means
    ("How do I parse JSON in JavaScript?", "How do I parse JSON in js?"),
    ("Is TypeScript typed?", "Is ts typed?"),
    ("Who needs an H1B visa?", "who needs an h1b visa"),
    ("Did Ann or Bob pay?", "Did Bob or Ann pay?"),
    ("How big is the USA?", "How big is the US?"),
    ("How do I set up Wi-Fi at home?", "How do I set up wifi at home?"),
    ("What does read_rows return?", "what does read_rows() return"),
    ("Java 和 Python 有什么区别", "Python 和 Java 有什么区别"),
    ("怎么申请退款", "如何申请退款"),
    ("What do I do if I can't remember my login name?", "I forgot my login name. What is the best thing to do?"),
    ("What is a 'sliding window'?", "What are sliding windows?"),
]

FROM_THE_DESIGN = [
    ("Python 读取 CSV", "Python 怎么读取 CSV 文件", True),
    ("Python 读取文件", "Python 写入文件", False),
    ("FastAPI 如何添加认证", "FastAPI 如何添加鉴权", True),
    ("如何安装 pandas", "如何卸载 pandas", False),
]

TEMPLATE = (
    "You work for a small airline. Read what the traveller writes and name the one topic it is about: baggage, seat, "
    "refund or delay.\n\nTraveller: {}\n\nTopic:"
)
TEMPLATE_ZH = (
    "你是一家小型航空公司的客服，请阅读旅客的来信并只说出它所属的一个主题：行李、座位、退款或者航班延误，不要解释。\n"
    "旅客：{}\n主题："
)


@pytest.mark.parametrize(("rule", "question", "other"), APART)
def test_a_rule_keeps_two_questions_apart(rule, question, other):
    assert conflict(question, other) == rule
    assert conflict(other, question) == rule


@pytest.mark.parametrize(("question", "other"), TOGETHER)
def test_two_wordings_of_one_question_go_together(question, other):
    assert conflict(question, other) is None
    assert conflict(other, question) is None


@pytest.mark.parametrize(("question", "other", "same"), FROM_THE_DESIGN)
def test_the_pairs_of_the_design_come_out_right(question, other, same):
    assert (conflict(question, other) is None) is same


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATE_ZH, "Answer this traveller: {}", "请回复旅客：{}"])
@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("my suitcase came out broken", "I would like to sit near the aisle"),
        ("the cat travels with me", "the dog travels with me"),
        ("my suitcase came out broken", "my suitcase"),
        ("我的箱子摔坏了", "我想坐在过道旁边"),
    ],
)
def test_a_template_filled_with_different_texts_is_no_similarity(template, text, other):
    assert conflict(template.format(text), template.format(other)) is not None


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATE_ZH])
def test_a_template_filled_with_two_wordings_of_one_text_still_matches(template):
    assert conflict(template.format("how do I change my seat"), template.format("How can I change my seat?")) is None
    assert conflict(template.format("怎么改签航班"), template.format("请问如何改签航班？")) is None


def test_a_template_with_two_blanks_is_no_similarity_either():
    frame = (
        "Dear {}, " + "we have read your letter with care and would like to answer it as well as we can. " * 3 + "{}"
    )
    assert (
        conflict(frame.format("Ann", "Your lamp is on its way."), frame.format("Ann", "Your chair is lost."))
        is not None
    )


def test_a_question_may_only_tighten_the_threshold():
    assert effective_threshold(0.95, None) == 0.95
    assert effective_threshold(0.95, 0.99) == 0.99
    assert effective_threshold(0.95, 0.5) == 0.95


VOCABULARY = (
    'how do not I read write the file in Python Java 3.10 5 km miles two Ann Bob to from than foo_bar "hi" , ? 不 没有 '
    "安装 卸载 的 到 三个 怎么 为什么 吗 北京 上海 isn't US"
)
words = st.sampled_from(VOCABULARY.split())
sentences = st.lists(words, max_size=12).map(" ".join)
texts = st.one_of(sentences, st.text(max_size=80), st.text(alphabet=st.characters(codec=None), max_size=40))


@given(texts)
@settings(max_examples=300, deadline=None)
def test_a_text_never_conflicts_with_itself(text):
    assert conflict(text, text) is None
    assert conflict(text, text + " ") is None


@given(texts, texts)
@example("ﬁﬁbe", "ﬁำbe")
@settings(max_examples=500, deadline=None)
def test_a_conflict_is_mutual(text, other):
    assert list(conflicts(text, other)) == list(conflicts(other, text))


def test_two_words_around_nothing_are_exchanged_in_both_directions():
    assert list(conflicts("Otters beat rays", "Otters rays beat")) == list(
        conflicts("Otters rays beat", "Otters beat rays")
    )


@pytest.mark.parametrize(
    "number", ["two " + "crore " * 700, "9" * 5000, "0" * 5000, "九" * 5000, "亿" * 5000, "٣" * 5000]
)
def test_no_number_is_too_large_to_be_compared(number):
    assert conflict(number, number + "now") == conflict(number + "now", number)


HOSTILE = [
    "a",
    "a_",
    "\"'",
    "不没",
    "1,",
    "a.",
    " ",
    "一",
    "Ab ",
    "isn't ",
    "😀",
    "-",
    "'x ",
    "\x00\x1b",
    "\ud800",
    "“",
    "第一",
]
HOSTILE += [
    "/",
    "@",
    "#1",
    "1 a",
    "\u0301",
    "北京上海男女",
    "monday friday ",
    "to a ",
    "Ann Bob ",
    '"',
    "`",
    "不是",
    "or no",
    "a out in ",
    "A1 B2 ",
    "-v ",
    "f() ",
    "1+",
    "取消",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_costs_time_in_proportion_to_its_length(unit):
    def seconds(size):
        """The least of three texts: beside one of them Python may collect its garbage."""
        return min(seconds_of(unit * (size // len(unit)) + "z" * more, size) for more in range(3))

    def seconds_of(text, size):
        began = time.process_time()
        conflict(text, text[: size // 2] + "x" + text[size // 2 :])
        return time.process_time() - began

    seconds(1_000)
    assert seconds(80_000) < 40 * max(seconds(10_000), 0.005)
