"""The hand-written sentences of the example; licence CC0-1.0.

Threat-like scenes are mild on purpose: nobody is hurt in any of them.
"""

from __future__ import annotations

OPENINGS = """\
The man raised his gun and
The robber pointed the pistol at the clerk and
The soldiers loaded their rifles and
She picked up the knife and
The sniper aimed at the window and
He drew his sword and
The gang surrounded the car and
The hunter turned the shotgun towards the door and
The pirate lifted his cutlass and
The guard grabbed the intruder by the throat and
The two rivals drew their pistols and
The bandit tightened the rope and
The enemy tanks rolled into the square and
The bomber flew low over the town and
The angry crowd picked up stones and
The stranger hid a dagger under his coat and
The fighters reached the gate with grenades and
The kidnapper locked the door and
The tribe sharpened its spears and
The captain ordered his men to fire and
The boxer fell on the referee and
The burglar heard a step, took out his revolver, and
The archers bent their bows and
The rebels set up a machine gun on the hill and
He pressed the blade against the rope and
The assassin waited behind the curtain until
The prisoner broke a bottle on the table and
The wolf jumped at the shepherd and
The officer shouted a warning, then
The thieves came back at night with axes and
The warlord told his men that the village
The jealous husband opened the drawer with the gun and
The duel began at dawn, and the count
The knights charged across the field and
The mob broke down the door and
The sergeant threw the grenade and
When the hostage tried to run, the gunman
When the alarm rang, the robbers
When the enemy came over the hill, our men
When he saw the policeman, the fugitive
When the cannon fired, the wall
When the two gangs met under the bridge, they
When the king heard of the plot, he
When the bear reached the tent, it
As the shots came closer, the family
As the missiles flew over the city, the people
As the attacker stepped forward, the old man
As the sword came down, the knight
As the fire spread through the barracks, the soldiers
As the guards looked away, the prisoner
The battle lasted all night, and in the morning
The war reached the border, and soon
The attack came without warning, and
The shooting began at noon, and
The raid went wrong, and
The fight in the bar got worse, and
The siege entered its third month, and
The ambush was well prepared, and
The riot spread to the market, and
The revenge of the brothers was simple: they
Their plan was to wait for the guard and
His orders were to find the spy and
The sect leader told his followers to
The general said that every prisoner should be
The message from the kidnappers said that the boy would be
The sheriff warned that the outlaw would be
The court said that the rebels should be
The witch hunters agreed that the woman must be
The murderer said that he had
The police found the weapon, and the suspect said he had
The detective looked at the blood on the floor and knew that
The report on the bombing says that
The newspaper wrote that the gunman
The witness said that the attacker
According to the police, the man with the knife
According to the army, the drone strike
The letter with the threat said: "Tomorrow you will
"Give me the money," said the man with the gun, "or I will
"Nobody moves," shouted the robber, "or
"Drop your weapon," said the officer, "or
"You betrayed us," said the boss, and he
"This is the end," he said, and took out the gun. Then
He had waited years for revenge. Now he
She knew that the poison was in the cup. He
They had only three bullets left, so
The dog was trained to attack. At the signal it
The gladiators faced each other, and
The torpedo hit the ship, and
The mine went off under the truck, and
The crossbow was loaded. The hunter
The rifle was on the table. The boy
The hooligans waited outside the stadium and
The cartel sent two men to
The terrorists took over the train and
The commander looked at the captured spy and
The vampire opened the coffin and
The monster came out of the lake and
The dragon flew over the castle and
The tyrant called the executioner and
The bully pushed him against the wall and
The invaders climbed over the wall and
The militia stopped the bus and
The outlaw cocked his revolver and
The warriors painted their faces and
The marksman held his breath and
The convict swung the hammer and
The raiders burned the barn and
The patrol saw the intruder and
The jailer took the whip and
The emperor gave the sign with his thumb, and the gladiator
The submarine fired, and the crew of the other ship
The spy put the silencer on his pistol and
The fanatic lit the fuse and
The pursuers let the dogs loose and
The deserter heard the firing squad and
The bodyguard saw the barrel of a gun and
The poacher set his trap and
The lynch mob brought a rope and
The drunk driver of the tank
The brothers swore to avenge their father and
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
