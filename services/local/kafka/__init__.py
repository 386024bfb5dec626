"""An Apache Kafka broker of our own (KRaft, one node), without Docker: jars from Maven, run by the Java that is here.

java        which Java runs it
jars        the jars, fetched once per user and version
training    the class-data archive that makes its start quick
kit         both together: what a broker is run with
properties  how it is configured
broker      prepares it and says how it is started and reached
leftover    ends the broker of an `up` that was killed
sessions    asks it, or one that was given, whether it serves, and makes the topics
errands     runs the programs that prepare all this
"""
