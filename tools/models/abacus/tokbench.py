import sys; sys.path.insert(0,'.')
import random, collections, tasks, vocabulary as v
rng=random.Random(0)
import time
t=time.time(); n=0;m=0
for i in range(500):
    ids,mask=tasks.training_row(rng,192,0.12); n+=len(ids); m+=sum(mask)
print(time.time()-t, n/500, m/n)
for i in range(4):
    ids,mask=tasks.training_row(rng,192,0.4)
    names={**{i:x for i,x in enumerate(v.MARKS+v.TOOL_MARKS)}}
    print(''.join(names[t] if t<16 else bytes([t-16]).decode('latin1') for t in ids)); print('--')
