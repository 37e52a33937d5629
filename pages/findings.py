import streamlit as st
st.title('findings')
