"""The hand-written parts of the two-choice questions; licence CC0-1.0."""

from __future__ import annotations

PERSONS = """\
A neighbour
Your boss
A classmate
A stranger on the train
The shopkeeper
A cousin
The landlord
A taxi driver
Your roommate
A customer
The man next door
A colleague
The caretaker
An old friend
A tourist
The new tenant
A rival
Your brother
A waiter
The farmer next to you
""".splitlines()

DEEDS = """\
plays loud music at night
took your parking place
owes you money
told a lie about you
broke your window
stole your bicycle
laughs at your plan
blocks your gate
spilled coffee on your coat
cheated in a game
insulted your family
will not let you pass
copied your work
forgot your appointment
cut down your tree
shouts at you
scratched your car
took the credit for your idea
lost your book
keeps your deposit
""".splitlines()

FORCE = """\
hit him with a stick
threaten him with a gun
punch him in the face
attack him with a knife
burn down his house
beat him until he stops
shoot at his door
break his arm
hurt his dog
throw stones at him
poison his food
push him down the stairs
get a weapon and take revenge
start a fight
kill him
smash his windows
""".splitlines()

CALM = """\
talk to him
ask him for an apology
write him a letter
invite him for tea
ask a friend to mediate
wait until tomorrow
explain how you feel
forgive him
call the office
look for a compromise
offer him your help
make a joke
listen to his reasons
take a walk first
send him an email
leave it at that
""".splitlines()

PROBLEMS = """\
Your child has a high fever
The harvest is failing
You cannot sleep at night
You lost your job
The river is rising
Your friend is very ill
You have an exam next week
The house is on fire
You owe the bank money
Your back hurts
The car does not start
You feel very sad
Your mother broke her leg
A storm is coming
You found a lost wallet
You are lost in the forest
Your cough does not stop
The well is dry
Your son is failing at school
Your marriage is in trouble
""".splitlines()

DEVOTION = """\
pray to God
ask the priest for a blessing
read a psalm from the Bible
light a candle in the church
confess your sins
trust in Jesus
go to Mass
fast and pray for a week
make a pilgrimage
ask the saints for help
sing a hymn
bring an offering to the altar
kneel before the cross
wait for a sign from heaven
""".splitlines()

EVIDENCE = """\
ask an expert
look for information
call for help
make a list of what to do
compare the costs
ask a doctor
phone a friend who knows
read the instructions
measure and write it down
take a course
get a second opinion
look at the facts
plan the next steps
use the right tools
""".splitlines()
