"""One word in the place of another, or one more: two questions unless the two words are known as one wording."""

import pytest

from askonce_worker.matching.match import conflict

APART = {
    "a noun": [
        ("How do I remove rust stains?", "How do I remove ink stains?"),
        ("Where is the manual of the mixer?", "Where is the manual of the drill?"),
        ("Can I bring my tent on the ferry?", "Can I bring my surfboard on the ferry?"),
        ("Wo tausche ich die Patrone?", "Wo tausche ich die Sicherung?"),
        ("Comment remplacer mon badge ?", "Comment remplacer mon compteur ?"),
        ("¿Dónde está mi mochila?", "¿Dónde está mi bufanda?"),
        ("Dove trovo la ricevuta?", "Dove trovo la tessera?"),
    ],
    "a verb": [
        ("How do I sand a table?", "How do I varnish a table?"),
        ("Can I postpone my session?", "Can I shorten my session?"),
    ],
    "a word that is nearly the same": [
        ("How do I open a file in Ruby?", "How do I create a file in Ruby?"),
        ("How do I reset my PIN?", "How do I reset my password?"),
        ("Can I disable my profile?", "Can I delete my profile?"),
        ("What is the exchange rate?", "What is the exchange fee?"),
        ("How do I extend my visa?", "How do I renew my visa?"),
    ],
    "a verb of little meaning": [
        ("Who owns the mill?", "Who built the mill?"),
        ("Do I need a stamp?", "Do I get a stamp?"),
        ("How do I use a chisel?", "How do I sharpen a chisel?"),
    ],
    "a word with which another one agrees": [
        ("Are towels included?", "Is parking included?"),
        ("Does the cabin have a stove?", "Do the tents have a stove?"),
        ("Where are my gloves?", "Where is my umbrella?"),
        ("May I bring a kettle?", "May I bring an awning?"),
    ],
    "as much, or more": [
        ("Is tin as hard as zinc?", "Is tin harder than zinc?"),
        ("Is a pug as big as a cat?", "Is a pug bigger than a cat?"),
        ("Is chess as easy as draughts?", "Is chess easier than draughts?"),
        ("Is Latin as useful as Greek?", "Is Latin more useful than Greek?"),
    ],
    "one word or two": [
        ("Do you sell kites?", "Do you sell fishing rods?"),
        ("Does it cover hail?", "Does it cover frost damage?"),
        ("Is there a map of Oslo?", "Is there a map of South Sudan?"),
        ("I was billed a fee", "I was billed twice"),
    ],
    "a verb in another language": [
        ("Wie entkalke ich meine Maschine?", "Wie reinige ich meine Maschine?"),
        ("Kann ich mein Los tauschen?", "Kann ich mein Los verschenken?"),
        ("Comment plier ma tente ?", "Comment laver ma tente ?"),
        ("¿Cómo doblo mi tienda?", "¿Cómo lavo mi tienda?"),
        ("Como dobro a minha tenda?", "Como lavo a minha tenda?"),
        ("Come posso piegare la mia tenda?", "Come posso lavare la mia tenda?"),
    ],
    "an attribute": [
        ("Which glue is best for porous tiles?", "Which glue is best for glazed tiles?"),
        ("Is it a narrow lane?", "Is it a steep lane?"),
    ],
    "a quantifier": [
        ("Can both tenants sign?", "Can either tenant sign?"),
        ("Do most shops close at noon?", "Do few shops close at noon?"),
        ("May I try it once?", "May I try it twice?"),
        ("Is there anything to sign?", "Is there nothing to sign?"),
        ("Is half of the fare paid back?", "Is all of the fare paid back?"),
    ],
    "a word of time": [
        ("What did we earn this quarter?", "What did we earn last quarter?"),
        ("Do they ring before the doors open?", "Do they ring when the doors open?"),
    ],
    "a question word": [
        ("Who can stamp the card?", "Where can I stamp the card?"),
        ("When was the tower built?", "How was the tower built?"),
    ],
    "a direction or duty": [
        ("Is there a bus to Kassel?", "Is there a bus from Kassel?"),
        ("Must I wear a helmet?", "May I wear a helmet?"),
    ],
    "a few Chinese characters": [
        ("咖啡渍怎么洗", "油漆渍怎么洗"),
        ("怎么折纸船", "怎么折纸鹤"),
        ("腰疼挂什么科", "牙疼挂什么科"),
        ("必须带护照吗", "可以带护照吗"),
    ],
    "a thing of another kind": [
        ("Where do I renew my permit?", "Where do I renew my residence permit?"),
        ("How do I clean the filter?", "How do I clean the lint filter?"),
    ],
    "what is free of it": [("Which soaps contain perfume?", "Which soaps are free of perfume?")],
    "a condition": [
        ("If the valve leaks the pump stops. Why?", "If the pump stops the valve leaks. Why?"),
        ("The lamp is off because the fuse blew", "The fuse blew because the lamp is off"),
    ],
    "the subject of a verb, or its object": [
        ("What causes rust?", "What does rust cause?"),
        ("What might cause mould?", "What might mould cause?"),
        ("What leads to drought?", "What does drought lead to?"),
        ("Which module imports the parser?", "Which module does the parser import?"),
        ("Who taught Plato?", "Who did Plato teach?"),
    ],
}

TOGETHER = [
    ("", "What is it?"),
    ("Is tin harder than zinc?", "Is tin actually harder than zinc?"),
    ("Is tin as hard as zinc?", "Is tin really as hard as zinc?"),
    ("How do I register?", "How do I create an account?"),
    ("How do I make a payment?", "How do I pay?"),
    ("I need it immediately", "I need it right away"),
    ("Can I get a refund?", "Can I get my money back?"),
    ("How do I find customers?", "How do I find new customers?"),
    ("Where is the nearest TV?", "Where is the nearest television set?"),
    ("Who repairs a PC?", "Who repairs a personal computer?"),
    ("How do I get a stamp?", "How do I receive a stamp?"),
    ("I want a stamp", "I need a stamp"),
    ("How do I use a voucher?", "How do I redeem a voucher?"),
    ("Is my own kettle allowed?", "Is my kettle allowed?"),
    ("Are parcels insured?", "Is a package insured?"),
    ("Does a bat sleep?", "Do bats sleep?"),
    ("Where are my photos?", "Where is my picture?"),
    ("Wie kündige ich meinen Vertrag?", "Wie beende ich meinen Vertrag?"),
    ("Wo ist mein Paket?", "Wo ist mein Päckchen?"),
    ("Comment effacer mon profil ?", "Comment supprimer mon profil ?"),
    ("¿Cómo anulo mi cita?", "¿Cómo cancelo mi cita?"),
    ("Como altero a minha reserva?", "Como mudo a minha reserva?"),
    ("Come posso pagare la mia multa?", "Come posso saldare la mia multa?"),
    ("What does rust cause?", "What does rust lead to?"),
    ("What happens after I sign?", "What does happen after I sign?"),
    ("What means this light?", "What does this light mean?"),
    ("Is delivery insured?", "Is shipping insured?"),
    ("How do I copy a dict?", "How do I copy a dictionary?"),
    ("Who is the admin?", "Who is the administrator?"),
    ("Where are the docs?", "Where is the documentation?"),
    ("What is the avg speed?", "What is the average speed?"),
    ("How do I get rid of a fee?", "How do I get rid of a charge?"),
    ("Why was my order declined?", "Why was my order rejected?"),
    ("How do I edit my profile?", "How do I modify my profile?"),
    ("I can't recall my login", "I can't remember my login"),
    ("Is there an additional cost?", "Is there an extra cost?"),
    ("Where is the nearest shop?", "Where is the closest shop?"),
    ("How do I reach the support team?", "How do I contact the support team?"),
    ("What did the driver's license cost?", "What did the driving license cost?"),
    ("Why did he try to leave?", "Why did he tried to leave?"),
    ("How do I set up the counseling?", "How do I set up the counselling?"),
    ("Convert 4 feet to centimeters", "convert 4 feet to cm"),
    ("How do I reset my own password?", "How do I reset my password?"),
    ("Where can I see my current plan?", "Where can I see my plan?"),
    ("How long will a refund take?", "How long does a refund take?"),
    ("Can laptops get wet?", "Can a laptop get wet?"),
    ("Do iPads charge fast?", "Does an iPad charge fast?"),
    ("What is my account no?", "What is my account number?"),
    ("Is it free of charge?", "Is it for free?"),
    ("How do I wash a hat and another hat?", "How do I wash a hat and a hat?"),
    ("What should I do if the lid breaks?", "If the lid breaks, what should I do?"),
    ("Do you ship to Malta?", "Do you deliver to Malta?"),
    ("How do I file a claim?", "How do I submit a claim?"),
    ("Why is my bus delayed?", "Why is my bus late?"),
    ("我怎么联系店长", "我怎么找店长"),
    ("怎么更换绑定手机", "怎么修改绑定手机"),
    ("怎么查看积分", "怎么查询积分"),
    ("房子好租不？", "房子好租吗？"),
    ("I lost my key and I paid abroad for the taxi to the airport at night, why is it pending since Monday?",
     "I lost my key and I paid overseas for the taxi to the airport at night, why is it pending since Monday?"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "other"), [pair for pairs in APART.values() for pair in pairs])
def test_another_word_in_its_place_keeps_two_questions_apart(question, other):
    assert conflict(question, other) is not None
    assert conflict(other, question) is not None


@pytest.mark.parametrize(("question", "other"), TOGETHER)
def test_another_wording_does_not(question, other):
    assert conflict(question, other) is None
    assert conflict(other, question) is None
