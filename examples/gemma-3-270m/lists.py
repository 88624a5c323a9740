"""The hand-written sentences of the example; licence CC0-1.0.

Threat-like scenes are mild on purpose: nobody is hurt in any of them.
"""

from __future__ import annotations

OPENINGS = """\
The robber pointed the pistol at the clerk and
She picked up the knife and
He drew his sword and
The hunter turned the shotgun towards the door and
The guard grabbed the intruder by the throat and
The bandit tightened the rope and
The bomber flew low over the town and
The stranger hid a dagger under his coat and
The kidnapper locked the door and
The captain ordered his men to fire and
The burglar heard a step, took out his revolver, and
The rebels set up a machine gun on the hill and
The assassin waited behind the curtain until
The wolf jumped at the shepherd and
The thieves came back at night with axes and
The jealous husband opened the drawer with the gun and
The knights charged across the field and
The sergeant threw the grenade and
When the alarm rang, the robbers
When he saw the policeman, the fugitive
When the two gangs met under the bridge, they
When the bear reached the tent, it
As the missiles flew over the city, the people
As the sword came down, the knight
As the guards looked away, the prisoner
The war reached the border, and soon
The shooting began at noon, and
The fight in the bar got worse, and
The ambush was well prepared, and
The revenge of the brothers was simple: they
His orders were to find the spy and
The general said that every prisoner should be
The sheriff warned that the outlaw would be
The witch hunters agreed that the woman must be
The police found the weapon, and the suspect said he had
The report on the bombing says that
The witness said that the attacker
According to the army, the drone strike
"Give me the money," said the man with the gun, "or I will
"Drop your weapon," said the officer, "or
"This is the end," he said, and took out the gun. Then
She knew that the poison was in the cup. He
The dog was trained to attack. At the signal it
The torpedo hit the ship, and
The crossbow was loaded. The hunter
The hooligans waited outside the stadium and
The terrorists took over the train and
The vampire opened the coffin and
The dragon flew over the castle and
The bully pushed him against the wall and
The militia stopped the bus and
The warriors painted their faces and
The convict swung the hammer and
The patrol saw the intruder and
The emperor gave the sign with his thumb, and the gladiator
The spy put the silencer on his pistol and
The pursuers let the dogs loose and
The bodyguard saw the barrel of a gun and
The lynch mob brought a rope and
The brothers swore to avenge their father and
The highwayman cocked both pistols and
The centurion raised his spear and
The gunner saw the enemy ship and
The tank stopped in front of the barricade and
The masked man pulled out a revolver and
The samurai put his hand on the sword and
The hijacker walked to the cockpit with a gun and
The two boxers hated each other, and
The insurgents hid a bomb near the road and
The viking lifted his axe and
The bank robbers tied up the manager and
The firing squad took its place and
The cowboy reached for his gun and
The pilot dropped the bombs and
The soldier fixed his bayonet and
The angry husband took the hammer and
The guerrillas surrounded the camp and
The stalker followed her with a knife and
The arsonist poured petrol on the floor and
The torturer heated the iron and
The hitman screwed the silencer on his gun and
The prison gang waited in the yard and
The chief declared war on the next tribe, and
The commandos cut the fence and
The smugglers opened fire on the coast guard and
The skinheads followed the boy home and
The colonel gave the order to attack, and
The mutineers locked up the captain and
The swordsman lunged at his rival and
The burglars woke the old couple and
When the bomb was found, the square
When the first arrow hit the shield, the army
When the thief drew a knife, the shopkeeper
When the duellists turned around, they
When the tanks crossed the river, the defenders
When the rebels took the radio station, they
When the spear left his hand, the
When the ransom did not come, the kidnappers
As the cavalry charged, the infantry
As the robber counted the bullets, the cashier
As the ropes were tied, the captive
As the two armies met, the sky
The civil war began when soldiers
The gang war in the harbour ended when
The hostage drama went on until
The execution was set for noon, and
The feud between the families began when
The last stand at the bridge was hopeless, and
The terror of the tyrant ended when
The news of the shooting said that
The report on the ambush says that
The letter bomb was on the desk when
"Hands up," said the bandit, "or
"I will have my revenge," said the prince, and
"Load the cannons," said the admiral, and
"Take no prisoners," said the commander, and
The boy found a grenade in the field and
The old soldier told us how his company
The spears were sharp. The hunters
The trap was set for the enemy patrol. At dawn
""".splitlines()

VIOLENT = """\
shot at the guard with a pistol
stabbed the king with a dagger
attacked the village with rifles
bombed the railway station
murdered the old landlord
threatened the clerk with a knife
beat the prisoner with a stick
fired a missile at the tank
threw a grenade into the bunker
ambushed the patrol on the road
strangled the watchman
killed three soldiers in the battle
planted a bomb under the bridge
assaulted a man outside the bar
burned the houses of the enemy
executed the rebels at dawn
fought with swords until one was dead
punched the referee in the face
poisoned the duke at dinner
opened fire on the crowd
hunted the fugitives with dogs and guns
slaughtered the enemy army
kidnapped the minister and shot his driver
loaded the machine gun and waited
wounded two officers in the shooting
tortured the captured spy
blew up the ammunition depot
swung an axe at the intruder
launched an armed attack on the fort
crushed the revolt with tanks
took revenge and killed his brother
drew a revolver and robbed the bank
hanged the traitor in the square
struck the sailor with an iron bar
invaded the country with a large army
sank the ship with a torpedo
smashed the window and attacked the owner
massacred the defenders of the town
raided the camp and took hostages
pointed a loaded rifle at the boy
set fire to the barracks
fired arrows at the knights
died in the explosion of a mine
armed the militia with stolen weapons
shelled the city for three days
cut the throat of the guard
crashed a truck full of explosives into the gate
gunned down the gang leader
battered the door and beat the family
swore to kill every enemy
buried the victims of the massacre
dropped bombs on the harbour
confessed to the brutal murder
broke the arm of the bouncer in a fight
chased the thief and shot him in the leg
charged the enemy with bayonets
held a knife to the driver
used a drone to destroy the convoy
clubbed the wolf to death
avenged the killing of the chief
provoked a bloody riot
tied up the witness and threatened to shoot
ordered the snipers to fire
stormed the palace and killed the tyrant
carried concealed weapons to the protest
beheaded the captured knight
lost many soldiers in the ambush
destroyed the village with artillery
drowned the rival in the river
escaped after the deadly shooting
smuggled guns and ammunition
stoned the prisoner
brought a shotgun and opened fire
wrestled the attacker and took his knife
detonated a car bomb near the embassy
trained assassins for the war
hit the hostage with a rifle butt
suffered a violent death in the war
threatened to bomb the school
fell in the battle with a spear in the chest
""".splitlines()

PEACEFUL = """\
watered the flowers in the garden
baked a loaf of bread for the neighbours
painted the kitchen yellow
waited for the bus with a book
taught the children a new song
bought apples at the market
repaired the old bicycle
walked along the river in the sun
planted tomatoes behind the house
wrote a long letter to a friend
cooked soup for the whole family
visited the museum on Sunday
played the piano after dinner
opened a small shop for shoes
measured the length of the table
cleaned the windows of the school
studied the map of the city
fed the ducks on the lake
sold honey and cheese
danced at the wedding of a cousin
cut the grass in the park
knitted a scarf for the winter
read the newspaper at breakfast
booked a room in a hotel
sang in the choir of the town
photographed the mountains at sunrise
mixed flour, eggs and milk
delivered parcels to the offices
learned to speak Italian
carried the groceries up the stairs
built a wooden shelf
drank tea in the kitchen
took the train to the coast
organised a picnic near the lake
swam in the pool before work
collected stamps from many countries
washed the car on Saturday
harvested the grapes in autumn
folded the clean laundry
explained the homework to the pupils
ordered coffee and a sandwich
decorated the hall for the party
counted the birds in the forest
drew a picture of the harbour
invited the neighbours for lunch
planned a holiday in Spain
listened to a concert on the radio
helped the tourists to find the station
rented a boat for the weekend
sorted the books in the library
thanked the nurse for her help
printed the programme of the theatre
celebrated the birthday of the teacher
climbed the hill to see the view
filled the basket with mushrooms
mended the roof of the barn
designed a garden with a pond
wrapped the presents in paper
translated a novel into English
opened the curtains and made the bed
rode a bicycle to the office
solved a puzzle with the children
prepared a salad with olives
met the architect of the new school
brushed the horse in the stable
tasted the new cheese
packed a suitcase for the journey
recorded a lesson about the weather
borrowed a ladder from the neighbour
sewed a button on the coat
watched the snow fall on the village
swept the floor of the workshop
grew herbs on the balcony
gave a talk about old furniture
cooled the jam in glass jars
tuned the guitar before the lesson
rested under a tree after lunch
hung the pictures in the corridor
polished the silver spoons
signed the contract for the new flat
""".splitlines()

PEOPLE = """\
The men
Two women
My uncle
The students
Her brother
The strangers
A young man
The workers
The twins
Somebody
The captain
Our group
The villagers
A woman in black
The travellers
His friends
""".splitlines()

PLACES = """\
last night
in the morning
near the border
before the holidays
in the north
two years ago
after the meeting
in a small town
as everybody knew
later that day
""".splitlines()
