"""Small things that the model can do, as prompts whose next word is known; licence CC0-1.0."""

from __future__ import annotations

from collections.abc import Iterator

SEQUENCES = """\
Monday Tuesday Wednesday Thursday Friday Saturday Sunday
January February March April May June July August September October November December
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
first second third fourth fifth sixth seventh eighth ninth tenth
10 20 30 40 50 60 70 80 90 100
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
""".splitlines()

REPEATED = """\
red blue
cat dog
apple pear
north south
tea coffee
hand foot
sun moon
green yellow
bread butter
river lake
spoon fork
chair table
paper pencil
summer winter
lemon orange
horse cow
door window
silver gold
boat train
rain snow
fire water
house garden
salt pepper
king queen
day night
brick stone
""".splitlines()

PLURALS = """\
dog dogs
car cars
tree trees
book books
house houses
cat cats
boat boats
flower flowers
river rivers
school schools
teacher teachers
bird birds
horse horses
table tables
doctor doctors
letter letters
apple apples
window windows
student students
garden gardens
lamp lamps
pen pens
hat hats
shop shops
road roads
""".splitlines()

CAPITALS = """\
France Paris
Italy Rome
Japan Tokyo
Russia Moscow
Spain Madrid
Germany Berlin
Egypt Cairo
Greece Athens
China Beijing
Austria Vienna
Poland Warsaw
Portugal Lisbon
Ireland Dublin
Norway Oslo
Sweden Stockholm
Hungary Budapest
England London
Cuba Havana
Iran Tehran
Iraq Baghdad
Turkey Ankara
Finland Helsinki
Denmark Copenhagen
Belgium Brussels
Kenya Nairobi
Peru Lima
Syria Damascus
Ukraine Kyiv
Vietnam Hanoi
Indonesia Jakarta
""".splitlines()

ECHOES = """\
blue
seven
garden
window
monkey
yellow
music
orange
winter
butter
paper
silver
doctor
planet
carpet
coffee
engine
forest
guitar
hammer
island
jacket
kitchen
lemon
mirror
number
office
pocket
ribbon
summer
ticket
uncle
village
wagon
basket
bottle
camera
circle
dinner
finger
""".splitlines()

WINDOW = 3


def skills() -> Iterator[tuple[str, str, str]]:
    """Kind, prompt and next word."""
    for line in SEQUENCES:
        words = line.split()
        for start in range(len(words) - WINDOW):
            *shown, target = words[start : start + WINDOW + 1]
            yield "sequence", f"{', '.join(shown)},", target
    for line in REPEATED:
        one, two = line.split()
        yield "repetition", f"{one} {two} {one} {two} {one}", two
        yield "repetition", f"{two}, {one}, {two}, {one}, {two},", one
        yield "repetition", f"{one} and {two}, {one} and {two}, {one} and", two
    for line in PLURALS:
        one, many = line.split()
        yield "plural", f"one cup, two cups; one {one}, two", many
        yield "plural", f"One cup and many cups. One {one} and many", many
    for line in CAPITALS:
        country, capital = line.split()
        yield "capital", f"The capital of {country} is the city of", capital
    for word in ECHOES:
        yield "echo", f"say tree: tree; say cloud: cloud; say {word}:", word
